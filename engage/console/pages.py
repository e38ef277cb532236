"""Pages: what each address of the console shows."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from engage.console.deps import ConsoleDeps
from engage.console.kept import Kept
from engage.console.rendering import Pages, base_of
from engage.console.search import find_person
from engage.console.steps import drawn, nodes_of, numbers_by_step, step_rows
from engage.console.timeline import VIEWS, read_timeline
from engage.domain.consent.consent import ledger_key
from engage.domain.delivery.delivery import Channel, Mark
from engage.domain.fact import Identifier
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.journey.trigger import Trigger
from engage.ports.reading import Counts, CursorError, DeliverySeen, JourneyNumbers, Subscription
from engage.project.words.steps import trigger_words

# Whoever shows channels leaves the first one out: people enter journeys.
NUMBERS = ("entered", "sent", "delivered", "opened", "clicked", "replied", "failed", "unknown")
LOOKED_AT = 2_000
"""Deliveries looked through for one page of a filtered list."""
A_PAGE = 50
_NAMES = ("user_id", "email", "phone")


class Looking:
    """Answers every page that needs a login."""

    def __init__(self, deps: ConsoleDeps, pages: Pages) -> None:
        """Read with `deps`, show with `pages`."""
        self._deps, self._pages = deps, pages
        self._totals = Kept(deps.reading.totals)
        self._journeys: dict[str, Kept[JourneyNumbers]] = {}

    # --- the whole project

    def overview(self, request: Request) -> Response:
        """Numbers of every journey and channel, and what waits."""
        totals = self._totals()
        catalog = self._deps.catalog()
        queues = self._deps.reading.queues(self._deps.clock.now())
        return self._pages(
            request,
            "overview.html",
            columns=NUMBERS,
            journeys=[(name, _row(totals.journeys[name])) for name in sorted(totals.journeys)],
            channels=[(name, _row(totals.channels[name])) for name in sorted(totals.channels)],
            titles={name: live.journey.title for name, live in catalog.journeys.items()},
            queues=queues,
            working=_is_working(queues),
            stopped=sorted(catalog.stopped),
        )

    def queues(self, request: Request) -> Response:
        """What waits, for how long, and on which lane."""
        now = self._deps.clock.now()
        reading = self._deps.reading
        queues = reading.queues(now)
        return self._pages(
            request,
            "queues.html",
            queues=queues,
            working=_is_working(queues),
            lags=sorted(reading.lags(now).items()),
            unknown=reading.unknown_deliveries(None, A_PAGE).items,
            now=now,
        )

    def quarantine(self, request: Request) -> Response:
        """Facts that could not be taken."""
        page = _checked(
            lambda: self._deps.reading.quarantine(request.query_params.get("after") or None, A_PAGE)
        )
        return self._pages(request, "quarantine.html", kept=page.items, next=page.next)

    # --- audiences

    def audiences(self, request: Request) -> Response:
        """All live audiences: their rule, how many are inside, and which journeys they start."""
        catalog, reading = self._deps.catalog(), self._deps.reading
        starts: dict[str, list[str]] = {}
        for name, live in sorted(catalog.journeys.items()):
            trigger = live.journey.trigger
            for audience in _audiences_of(trigger):
                starts.setdefault(audience, []).append(name)
        return self._pages(
            request,
            "audiences.html",
            rows=[
                (audience, reading.audience_size(name), starts.get(name, []))
                for name, audience in sorted(catalog.audiences.items())
            ],
            filling=bool(reading.queues(self._deps.clock.now())["jobs"]),
        )

    def audience(self, request: Request) -> Response:
        """One audience and who is in it."""
        name = request.path_params["audience"]
        audience = self._deps.catalog().audiences.get(name)
        if audience is None:
            raise HTTPException(404, "No audience of this name is published.")
        reading = self._deps.reading
        after = request.query_params.get("after") or None
        page = _checked(lambda: reading.members(name, after, A_PAGE))
        return self._pages(
            request,
            "audience.html",
            audience=audience,
            size=reading.audience_size(name),
            members=page.items,
            next=page.next,
        )

    # --- journeys

    def journeys(self, request: Request) -> Response:
        """All live journeys."""
        totals = self._totals().journeys
        catalog = self._deps.catalog()
        rows = [(live, _row(totals.get(name, Counts()))) for name, live in sorted(catalog.journeys.items())]
        return self._pages(
            request,
            "journeys.html",
            rows=rows,
            columns=NUMBERS,
            triggers={
                name: trigger_words(live.journey.trigger).line for name, live in catalog.journeys.items()
            },
        )

    def journey(self, request: Request) -> Response:
        """One journey: picture, steps, ends, deliveries."""
        name = request.path_params["journey"]
        catalog = self._deps.catalog()
        live = catalog.journeys.get(name)
        if live is None:
            raise HTTPException(404, "No journey of this name is published.")
        numbers = self._numbers(name)
        by_step = numbers_by_step(catalog, name, numbers.funnel)
        active = sum(numbers.active.values())
        return self._pages(
            request,
            "journey.html",
            live=live,
            journey=live.journey,
            trigger=trigger_words(live.journey.trigger).line,
            steps=step_rows(live.journey, by_step),
            numbers=numbers,
            active=active,
            entered=active + sum(numbers.ended.values()),
        )

    def picture(self, request: Request) -> Response:
        """The journey as a picture."""
        name = request.path_params["journey"]
        catalog = self._deps.catalog()
        live = catalog.journeys.get(name)
        if live is None:
            raise HTTPException(404, "There is no such picture.")
        numbers = self._numbers(name)
        svg = drawn(live.journey, numbers, numbers_by_step(catalog, name, numbers.funnel))
        # A picture has styles inside, and nothing else: it is shown as an image, which runs no script anyway.
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        return Response(svg, media_type="image/svg+xml", headers={"content-security-policy": policy})

    def _numbers(self, journey: str) -> JourneyNumbers:
        kept = self._journeys.setdefault(journey, Kept(lambda: self._deps.reading.journey(journey)))
        return kept()

    # --- deliveries

    def deliveries(self, request: Request) -> Response:
        """Everybody's deliveries, newest first, by channel, status and journey."""
        query = request.query_params
        wanted = {name: query.get(name, "") for name in ("channel", "status", "journey")}
        found: list[DeliverySeen] = []
        after, looked = query.get("after") or None, 0
        while len(found) < A_PAGE and looked < LOOKED_AT:
            page = _checked(partial(self._deps.reading.recent_deliveries, after, A_PAGE))
            found += [seen for seen in page.items if _fits(seen, wanted)]
            looked += len(page.items)
            after = page.next
            if after is None:
                break
        return self._pages(
            request,
            "deliveries.html",
            deliveries=found,
            wanted=wanted,
            looked=looked,
            next=after,
            channels=list(Channel),
            statuses=[mark for mark in Mark if mark not in _NO_STATUS],
            journeys=sorted(self._deps.catalog().journeys),
            filtered=any(wanted.values()),
        )

    def delivery(self, request: Request) -> Response:
        """One delivery with its receipts."""
        key = _uuid(request.path_params["delivery"])
        seen = self._deps.reading.delivery(DeliveryId(key))
        if seen is None:
            raise HTTPException(404, "There is no such delivery.")
        profile = self._deps.reading.profile(seen.delivery.profile)
        return self._pages(
            request,
            "delivery.html",
            seen=seen,
            delivery=seen.delivery,
            person=_name(profile.identifiers) if profile is not None else None,
        )

    # --- people

    def people(self, request: Request) -> Response:
        """The search; whoever is found is shown at once."""
        text = request.query_params.get("q", "").strip()[:500]
        if text:
            found = find_person(text, self._deps.reading, self._deps.catalog().settings)
            if found is not None:
                return RedirectResponse(f"{base_of(request)}/people/{found}", 303)
        return self._pages(request, "people.html", status=404 if text else 200, q=text)

    def person(self, request: Request) -> Response:
        """One person: who they are, what they allowed, and everything that happened."""
        reading, settings = self._deps.reading, self._deps.catalog().settings
        asked = _uuid(request.path_params["profile"])
        key = reading.survivor(ProfileId(asked))
        if key != asked:
            return RedirectResponse(f"{base_of(request)}/people/{key}", 303)
        profile = reading.profile(key)
        if profile is None:
            raise HTTPException(404, "There is no such profile.")
        query = request.query_params
        view = query.get("show", "all") if query.get("show") in VIEWS else "all"
        addresses = [
            ledger_key(name.value) for name in profile.identifiers if name.kind in ("email", "phone")
        ]
        after = query.get("after") or None
        runs = reading.runs(key).items
        node_of = nodes_of(self._deps.catalog(), runs)
        timeline = _checked(
            lambda: read_timeline(
                reading, key, view, after, settings.covered, zone=settings.zone, node_of=node_of
            )
        )
        return self._pages(
            request,
            "person.html",
            profile=profile,
            name=_name(profile.identifiers) or key,
            traits=[
                (name, settings.covered.values({f"profile.{name}": value})[f"profile.{name}"])
                for name, value in sorted(profile.traits.items())
            ],
            audiences=reading.audiences(key),
            consents=_grouped(reading.consents(key, addresses)),
            suppressions=reading.suppressions(addresses),
            runs=[run for run in runs if run.active],
            timeline=timeline,
            view=view,
            views=VIEWS,
            after=after,
        )


_NO_STATUS = frozenset(
    {
        Mark.OPENED_ANY,
        Mark.DEFERRED,
        Mark.DIGITS,
        Mark.UNSUBSCRIBED,
        Mark.VOICEMAIL,
        Mark.MACHINE,
        Mark.DROPPED,
    }
)


def _row(counts: Counts) -> dict[str, Any]:
    return {**{name: getattr(counts, name) for name in NUMBERS}, "skipped": counts.skipped}


def _is_working(queues: dict[str, float]) -> bool:
    return any(queues[name] for name in ("inbox", "timers_due", "deliveries_due", "sending", "jobs"))


def _grouped(consents: Sequence[Subscription]) -> list[tuple[Subscription, list[str]]]:
    """Return consents that were given at once for several addresses, and for the person, as one."""
    found: dict[tuple[object, ...], tuple[Subscription, list[str]]] = {}
    for one in consents:
        key = (one.channel, one.topic, one.state, one.source, one.at)
        _, addresses = found.setdefault(key, (one, []))
        if one.address is not None:
            addresses.append(one.address)
    return list(found.values())


def _fits(seen: DeliverySeen, wanted: dict[str, str]) -> bool:
    delivery = seen.delivery
    return (
        wanted["channel"] in ("", delivery.channel)
        and wanted["status"] in ("", delivery.status)
        and wanted["journey"] in ("", delivery.journey)
    )


def _name(identifiers: Sequence[Identifier]) -> str | None:
    for kind in _NAMES:
        for identifier in identifiers:
            if identifier.kind == kind:
                return identifier.value
    return identifiers[0].value if identifiers else None


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise HTTPException(404, "There is nothing under this address.") from None


def _checked(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except CursorError:
        raise HTTPException(400, "This page of the list is not known; begin at its first.") from None


def _audiences_of(trigger: Trigger) -> Iterator[str]:
    """Yield the audiences that start a journey."""
    if trigger.audience is not None:
        yield trigger.audience.entered or trigger.audience.left or ""
    if trigger.schedule is not None and trigger.schedule.audience is not None:
        yield trigger.schedule.audience
