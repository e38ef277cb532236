"""The links in our messages: preferences and one click, confirmation, tracked links, opens, view in browser."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from engage.api.answers import ApiError, LostPageError, Message
from engage.api.bodies import headers_of, read_body
from engage.api.deps import ApiDeps
from engage.api.microbatch import OverloadedError
from engage.api.page_words import Words, language_of
from engage.api.pages import (
    SAFE_HEADERS,
    Look,
    confirm_page,
    confirmed_page,
    lost_page,
    preferences_page,
    unsubscribed_page,
)
from engage.api.pixel import GIF
from engage.api.robots import is_robot
from engage.domain.consent.consent import ConsentState
from engage.domain.delivery.delivery import Mark
from engage.domain.fact import Identifier, NewFact, Receipt, encode
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.links.short_link import ROOM, is_short_id
from engage.domain.links.token import Confirm, LinkToken, Opened, Preferences, TrackedLink, Viewed, read_token
from engage.engine.accept.consent import Choice, Wish, address_kind
from engage.engine.accept.intake import Piece, Taken
from engage.ports.storage import StorageAwayError

MAX_FORM = 64 * 1024
_T = TypeVar("_T", bound=LinkToken)
OURS = "engage"
"""The provider of receipts that we witness ourselves."""
_VIEW_HEADERS = SAFE_HEADERS | {
    "content-security-policy": "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation;"
    " default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; font-src https:; frame-ancestors 'none'",
}


async def _form(request: Request) -> dict[str, str]:
    """Read a form, urlencoded or multipart (RFC 8058 allows both), within bounds."""
    body = await read_body(request.receive, headers_of(request.scope["headers"]), MAX_FORM)

    async def again() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async with Request(request.scope, again).form(max_files=0, max_fields=500) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


Form = Annotated[dict[str, str], Depends(_form)]


def link_routes(deps: ApiDeps) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)
    links = _Links(deps)
    for path, method, endpoint in (
        ("/u/{token}", "GET", links.preferences),
        ("/u/{token}", "POST", links.choose),
        ("/c/{token}", "GET", links.confirmation),
        ("/c/{token}", "POST", links.confirm),
        ("/l/{token}", "GET", links.follow),
        ("/l/{token}", "HEAD", links.follow),
        ("/o/{token}.gif", "GET", links.opened),
        ("/v/{token}", "GET", links.view),
    ):
        router.add_api_route(path, endpoint, methods=[method], response_model=None)
    return router


class _Links:
    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps

    def preferences(self, token: str, request: Request) -> Response:
        """Show what may be chosen. Changes nothing, however often it is fetched."""
        about = self._read(token, Preferences, request)
        return self._shown(about, request)

    def choose(self, token: str, form: Form, request: Request) -> Response:
        """Unsubscribe by one click (RFC 8058), or make the choices of the form."""
        about = self._read(token, Preferences, request)
        now = self._deps.clock.now()
        person, channel, profile = _whose(about)
        if form.get("List-Unsubscribe", "").strip().lower() == "one-click":
            wish = Wish(
                person=person,
                channel=channel,
                topic=about.topic,
                state=ConsentState.UNSUBSCRIBED,
                source="one-click",
            )
            self._deps.desk.change([wish], now, profile=profile)
            look = self._look(request)
            return _html(look, unsubscribed_page(look))
        leaves = form.get("leave") == "all"
        ticked = set() if leaves else {name for name, value in form.items() if value == "on"}
        self._deps.desk.choose(
            person,
            channel,
            profile,
            lambda c: f"{c.channel}.{c.topic}" in ticked,
            source="preferences",
            now=now,
        )
        return self._shown(about, request, lambda words: words.left_all if leaves else words.saved)

    def _shown(
        self, about: Preferences, request: Request, note: Callable[[Words], str] = lambda _words: ""
    ) -> Response:
        offer = self._deps.desk.offer(*_whose(about))
        look = self._look(request, offer.locale)
        return _html(look, preferences_page(look, about.address, offer.choices, note(look.words)))

    def confirmation(self, token: str, request: Request) -> Response:
        """Show the button. A GET never confirms: scanners of mail follow links."""
        about = self._read(token, Confirm, request)
        look = self._look(request, self._deps.desk.offer(*_whose(about)).locale)
        topic = self._deps.catalog().settings.topics.get(about.topic)
        own = None if topic is None else topic.translations.get(look.language)
        title = (own.title if own is not None else "") or (topic.title if topic is not None else "")
        return _html(look, confirm_page(look, title or about.topic, about.channel))

    def confirm(self, token: str, request: Request) -> Response:
        """Subscribe this address to the topic."""
        about = self._read(token, Confirm, request)
        person, channel, profile = _whose(about)
        now = self._deps.clock.now()
        offer = self._deps.desk.offer(person, channel, profile)
        mine = [c for c in offer.choices if c.channel == channel and c.topic == about.topic]
        if any(choice.closed for choice in mine):
            # The channel was closed as a whole: open it for this topic and for nothing that was off.
            self._deps.desk.choose(person, channel, profile, _also(about), source="confirmed", now=now)
        else:
            wish = Wish(
                person=person,
                channel=channel,
                topic=about.topic,
                state=ConsentState.SUBSCRIBED,
                source="confirmed",
                confirmed=True,
                proof=about.delivery,
            )
            self._deps.desk.change([wish], now, profile=profile)
        look = self._look(request, offer.locale)
        return _html(look, confirmed_page(look))

    async def follow(self, token: str, request: Request) -> Response:
        """Lead to the target that was signed, or kept, and to nothing else; a person's click is kept on the way."""
        about = (
            await run_in_threadpool(self._kept, token, request)
            if is_short_id(token)
            else self._read(token, TrackedLink, request)
        )
        robot = is_robot(request.method, request.headers)
        target = await self._target(about, request, robot=robot)
        if not robot:
            await self._witness(
                about.delivery, about.lane, Mark.CLICKED, url=about.url, link_id=about.link_id
            )
        return Response(status_code=302, headers={**SAFE_HEADERS, "location": _ascii(target)})

    async def _target(self, about: TrackedLink, request: Request, *, robot: bool) -> str:
        """Return where a link leads; a room is opened, and a token made, for people only."""
        if urlsplit(about.url).scheme in ("http", "https"):
            return about.url
        room, rooms = about.url.removeprefix(ROOM), self._deps.rooms
        if room == about.url or rooms is None:
            raise self._lost(request)
        if robot:
            return self._deps.public_url
        address = await run_in_threadpool(rooms.enter, room, f"{about.delivery}.{about.lane}")
        if address is None:
            raise ApiError(503, "unavailable", "The room does not open just now; try again in a moment.")
        return address

    async def opened(self, token: str) -> Response:
        """Give the picture; the open is kept, if the token is one of ours."""
        about = read_token(token, self._deps.secrets)
        if isinstance(about, Opened):
            await self._witness(about.delivery, about.lane, Mark.OPENED)
        return Response(GIF, media_type="image/gif", headers={"cache-control": "no-store"})

    def view(self, token: str, request: Request) -> Response:
        """Show a message as a page, cut off from everything else of ours."""
        page = self._deps.view(self._read(token, Viewed, request).delivery)
        if page is None:
            raise self._lost(request, gone=True)
        return Response(page, media_type="text/html; charset=utf-8", headers=_VIEW_HEADERS)

    def _kept(self, link_id: str, request: Request) -> TrackedLink:
        """Return what a short link of a text is about."""
        with self._deps.store.transaction() as tx:
            link = tx.links.find(link_id)
            delivery = None if link is None else tx.deliveries.get([link.delivery]).get(link.delivery)
        if link is None or delivery is None:
            raise self._lost(request)
        return TrackedLink(delivery=delivery.id, lane=delivery.lane, url=link.url, link_id=link.id)

    def _read(self, token: str, kind: type[_T], request: Request) -> _T:
        about = read_token(token, self._deps.secrets)
        if not isinstance(about, kind):
            raise self._lost(request)
        return about

    def _look(self, request: Request, locale: Any = None) -> Look:
        settings = self._deps.catalog().settings
        accepted = request.headers.get("accept-language", "")
        return Look(theme=settings.pages, language=language_of(locale, accepted, settings.locale))

    def _lost(self, request: Request, *, gone: bool = False) -> ApiError:
        """A link that leads nowhere: a page for people, JSON for everybody else."""
        code, message = (
            ("gone", "This message is no longer kept.")
            if gone
            else ("unknown_link", "This link is not one of ours, or is damaged.")
        )
        if "text/html" not in request.headers.get("accept", ""):
            return ApiError(404, code, message)
        look = self._look(request)
        return LostPageError(404, code, message, headers=look.headers, page=lost_page(look, gone=gone))

    async def _witness(
        self,
        delivery: DeliveryId,
        lane: int,
        mark: Mark,
        url: str | None = None,
        link_id: str | None = None,
    ) -> None:
        """Keep what happened; a reader is never held up because the database is."""
        now = self._deps.clock.now()
        receipt = Receipt(
            delivery=delivery,
            mark=mark,
            at=now,
            receipt_id=str(uuid4()),
            provider=OURS,
            url=url,
            link_id=link_id,
        )
        fact = NewFact(
            lane=lane,
            source=OURS,
            message_id=receipt.receipt_id,
            received_at=now,
            payload=encode(receipt),
        )
        try:
            await self._deps.batcher.submit(Taken([Piece(fact=fact)]), ahead=True)
        except (OverloadedError, StorageAwayError):
            return


def _whose(about: Preferences | Confirm) -> tuple[Identifier, str, ProfileId | None]:
    return Identifier(address_kind(about.channel), about.address), about.channel, about.profile


def _also(about: Confirm) -> Callable[[Choice], bool]:
    """What was on stays on; beside it what is confirmed."""
    return lambda choice: choice.on or (choice.channel, choice.topic) == (about.channel, about.topic)


def _ascii(url: str) -> str:
    """Write a target as a header can hold it: what is escaped already stays so, everything else beyond ASCII is escaped."""
    return quote(url, safe="%/:?#[]@!$&'()*+,;=~")


def _html(look: Look, page: str) -> Response:
    return Response(page, media_type="text/html; charset=utf-8", headers=look.headers)
