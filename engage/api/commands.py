"""Commands of our own API: what changes something. Each is durable, or in the ledger, before it is answered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from msgspec import structs

from engage.api.answers import ApiError, to_json
from engage.api.auth import credential
from engage.api.deps import ApiDeps
from engage.api.description import takes
from engage.api.inputs import (
    Body,
    MemberChanges,
    SendRequest,
    SignalRequest,
    StartRequest,
    SubscriptionChanges,
    invalid,
    needs,
    once,
    person_of,
    read_request,
    uuid_of,
)
from engage.domain.access import Caller, Scope
from engage.domain.consent.consent import EVERY_TOPIC, ConsentState, family
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import Identifier, Json, Send, Signal, Start
from engage.domain.ids import DeliveryId, ProfileId, RunId
from engage.domain.timing import DurationError, parse_duration
from engage.engine.accept.consent import Wish
from engage.engine.accept.intake import Piece, Taken
from engage.engine.accept.requests import (
    forgotten,
    moved,
    new_delivery_id,
    new_run_id,
    own_channels,
    send_key,
    sent,
    signalled,
    started,
)
from engage.engine.canonical.address import normal_address
from engage.engine.canonical.people import plain
from engage.engine.canonical.times import corrected, instant


def json_response(value: object, status: int = 200) -> Response:
    """Return a JSON answer with exact numbers."""
    return Response(to_json(value), status, media_type="application/json")


def command_routes(deps: ApiDeps) -> APIRouter:
    """Return the routes."""
    router = APIRouter()
    commands = _Commands(deps)
    router.add_api_route(
        "/v1/signals", commands.signal, methods=["POST"], tags=["signals"], openapi_extra=takes(SignalRequest)
    )

    @router.put("/v1/subscriptions", tags=["subscriptions"], openapi_extra=takes(SubscriptionChanges))
    def change_subscriptions(
        _caller: Annotated[Caller, Depends(needs(deps, Scope.CONSENT_WRITE))], body: Body
    ) -> Response:
        """Change consent; it is in the ledger when this answers."""
        return commands.subscriptions(body)

    @router.post(
        "/v1/journeys/{journey}/start", status_code=202, tags=["journeys"], openapi_extra=takes(StartRequest)
    )
    def start_journey(
        journey: str,
        caller: Annotated[Caller, Depends(needs(deps, Scope.JOURNEYS_START))],
        body: Body,
        request: Request,
    ) -> Response:
        """Ask that a person enters a journey that says `api: true`."""
        return commands.start(journey, body, request, caller)

    @router.post("/v1/deliveries", status_code=202, tags=["deliveries"], openapi_extra=takes(SendRequest))
    def send_one(
        caller: Annotated[Caller, Depends(needs(deps, Scope.DELIVERIES_WRITE))],
        body: Body,
        request: Request,
    ) -> Response:
        """Ask for one message outside every journey."""
        return commands.send(body, request, caller)

    @router.put(
        "/v1/audiences/{audience}/members",
        status_code=202,
        tags=["audiences"],
        openapi_extra=takes(MemberChanges),
    )
    def change_members(
        audience: str,
        _caller: Annotated[Caller, Depends(needs(deps, Scope.AUDIENCES_WRITE))],
        body: Body,
    ) -> Response:
        """Change who is in a manual audience."""
        return commands.members(audience, body)

    @router.delete("/v1/profiles/{person:path}", status_code=202, tags=["profiles"])
    def erase(person: str, caller: Annotated[Caller, Depends(needs(deps, Scope.PROFILES_WRITE))]) -> Response:
        """Erase a person everywhere; `request` finds the proof on the audit trail."""
        return commands.erase(person, caller)

    return router


class _Commands:
    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps

    def signal(self, body: Body, request: Request) -> Response:
        """Take an event without a person; a server write key."""
        wanted = read_request(body, SignalRequest)
        header = request.headers.get("authorization", "").encode("latin-1")
        key = self._deps.keys.find(credential(header), wanted.write_key)
        if key is None:
            raise ApiError(401, "unknown_write_key", "This write key is not one of ours, or is missing.")
        if key.browser:
            raise ApiError(403, "forbidden", "A browser key is public; send signals with a server key.")
        now = self._deps.clock.now()
        signal = Signal(
            message_id=wanted.message_id or new_run_id(now),
            event=wanted.event,
            timestamp=_timestamp(wanted, now),
            properties=wanted.properties,
            source=key.source,
        )
        self._store([signalled(signal, now)])
        return json_response({"success": True})

    def subscriptions(self, body: bytes) -> Response:
        """Change consent synchronously."""
        changes = read_request(body, SubscriptionChanges).subscriptions
        rules, settings = self._deps.acceptor.rules(), self._deps.catalog().settings
        for index, change in enumerate(changes):
            if change.topic == EVERY_TOPIC:
                change = changes[index] = structs.replace(change, topic=None)
            place = f"subscriptions[{index}]"
            if change.topic is None and change.state == "subscribed":
                raise invalid(f"`{place}.topic` is needed: a yes is to a topic, only a no is to everything")
            if change.topic is not None and settings.topics and change.topic not in settings.topics:
                raise invalid(f"`{place}.topic` is none of {', '.join(sorted(settings.topics))}")
        wishes = [
            Wish(
                person=person_of(change.profile, rules),
                channel=family(change.channel),
                topic=change.topic,
                state=ConsentState(change.state),
                source=change.source,
                proof=change.proof,
            )
            for change in changes
        ]
        now = self._deps.clock.now()
        states = self._deps.desk.change(wishes, now)
        done = [
            {
                "profile": change.profile,
                "channel": change.channel,
                "topic": change.topic or EVERY_TOPIC,
                "state": str(state),
                "source": change.source,
                "at": now,
            }
            for change, state in zip(changes, states, strict=True)
        ]
        return json_response({"subscriptions": done})

    def start(self, journey: str, body: bytes, request: Request, caller: Caller) -> Response:
        """Store the wish that a person enters a journey."""
        wanted = read_request(body, StartRequest)
        person = person_of(wanted.profile, self._deps.acceptor.rules())
        live = self._deps.catalog().journeys.get(journey)
        if live is None:
            raise ApiError(404, "unknown_journey", "No journey of this name is published.")
        if not live.journey.trigger.api:
            raise ApiError(409, "not_startable", "This journey's trigger is not `api: true`.")
        now = self._deps.clock.now()
        run = RunId(once(self._deps.idempotency, request, caller, body, new_run_id(now), now))
        start = Start(
            message_id=f"start:{run}",
            journey=journey,
            person=person,
            run=run,
            entry=wanted.entry,
            key=plain(wanted.key),
        )
        self._store([started(start, now)])
        return json_response({"run": run}, 202)

    def send(self, body: bytes, request: Request, caller: Caller) -> Response:
        """Store the wish that one message leaves."""
        wanted = read_request(body, SendRequest)
        rules, settings = self._deps.acceptor.rules(), self._deps.catalog().settings
        if wanted.profile is None and wanted.to is None:
            raise invalid("say to whom: `profile` or `to`")
        if (wanted.template is None) == (wanted.text is None):
            raise invalid("say what: `template` or `text`, one of them")
        if settings.topics and wanted.topic not in settings.topics:
            raise invalid(f"`topic` is one of {', '.join(sorted(settings.topics))}")
        channel = wanted.channel or self._only_channel(wanted.template)
        if wanted.template is not None:
            self._check_template(wanted.template, channel, wanted.variables)
        elif problem := self._deps.text_problem(wanted.text or ""):
            raise invalid(f"`text`: {problem}")
        now = self._deps.clock.now()
        person = None if wanted.profile is None else person_of(wanted.profile, rules)
        to = None if wanted.to is None else _address(channel, wanted.to, rules.region)
        expires_at = None if wanted.expires is None else _expiry(wanted.expires, now)
        delivery = DeliveryId(once(self._deps.idempotency, request, caller, body, new_delivery_id(now), now))
        send = Send(
            message_id=send_key(delivery),
            delivery=delivery,
            channel=channel,
            person=person,
            to=to,
            template=wanted.template,
            text=wanted.text,
            variables=wanted.variables,
            topic=wanted.topic,
            sender=wanted.sender,
            expires_at=expires_at,
        )
        self._store([sent(send, now)], urgent=settings.is_urgent(wanted.topic))
        chosen = {} if wanted.channel is not None else {"channel": channel}
        return json_response({"delivery_id": delivery, **chosen}, 202)

    def _only_channel(self, name: str | None) -> Channel:
        """Return the channel by which a template leaves, if it has only one."""
        if name is None or self._deps.templates is None:
            raise invalid("say by which `channel`")
        template = self._deps.templates().get(name)
        if template is None:
            raise invalid(f"no template `{name}` is published")
        own = sorted(own_channels(template.channels))
        if len(own) != 1:
            raise invalid(f"`{name}` has several channels; say `channel`: {', '.join(own)}")
        return own[0]

    def _check_template(self, name: str, channel: Channel, variables: Json) -> None:
        """Refuse at once what could only be skipped later, as `render_failed`."""
        if self._deps.templates is None:
            return
        template = self._deps.templates().get(name)
        if template is None:
            raise invalid(f"no template `{name}` is published")
        if channel not in template.channels:
            raise invalid(
                f"`{name}` has no content for {channel}, but {', '.join(sorted(template.channels))}"
            )
        missing = [each for each in template.required if each not in variables]
        if missing:
            raise invalid(f"`{name}` needs {', '.join(f'`with.{each}`' for each in missing)}")

    def members(self, audience: str, body: bytes) -> Response:
        """Store who enters and who leaves a manual audience."""
        known = self._deps.catalog().audiences.get(audience)
        if known is None:
            raise ApiError(404, "unknown_audience", "No audience of this name is published.")
        if known.where is not None:
            raise ApiError(
                409, "not_manual", "This audience has a rule; only `members: manual` ones are changed so."
            )
        wanted = read_request(body, MemberChanges)
        rules = self._deps.acceptor.rules()
        add = {person_of(text, rules) for text in wanted.add or ()}
        remove = {person_of(text, rules) for text in wanted.remove or ()}
        if wanted.replace is not None:
            if add or remove:
                raise invalid("`replace` stands alone")
            add = {person_of(text, rules) for text in wanted.replace}
            remove = self._leavers(audience, add)
        elif wanted.add is None and wanted.remove is None:
            raise invalid("say `add`, `remove` or `replace`")
        now = self._deps.clock.now()
        self._store(
            [
                *moved(audience, sorted(remove - add), now, member=False),
                *moved(audience, sorted(add), now, member=True),
            ]
        )
        return json_response({"added": len(add), "removed": len(remove - add)}, 202)

    def _leavers(self, audience: str, staying: set[Identifier]) -> set[Identifier]:
        """Members of whom no identifier is among those who stay."""
        return {names[0] for names in self._deps.members(audience) if names and staying.isdisjoint(names)}

    def erase(self, person: str, caller: Caller) -> Response:
        """Store the wish that a person is erased."""
        name, lane = self._erased_by(person)
        piece = forgotten(name, self._deps.clock.now(), caller.name, lane=lane)
        self._store([piece])
        return json_response({"accepted": True, "request": piece.fact.message_id}, 202)

    def _erased_by(self, person: str) -> tuple[Identifier, int | None]:
        """Return the name an erasure goes by, and the person's own lane where they are named by their profile's id."""
        kind, _, value = person.partition(":")
        if kind != "id":
            return person_of(person, self._deps.acceptor.rules()), None
        reading = self._deps.reading
        found = reading.profile(reading.survivor(ProfileId(uuid_of(value, "profile"))))
        if found is None:
            raise ApiError(404, "unknown_profile", "Nobody is known by this id.")
        return Identifier("id", found.id), found.lane

    def _store(self, pieces: Sequence[Piece], *, urgent: bool = False) -> None:
        self._deps.intake.store(Taken(pieces), urgent=urgent)


def _timestamp(wanted: SignalRequest, now: datetime) -> datetime:
    if wanted.timestamp is None:
        return now
    original = instant(wanted.timestamp)
    at = corrected(original, instant(wanted.sent_at), now) if original is not None else None
    if at is None:
        raise invalid("`timestamp` is ISO 8601, after 1970")
    return at


def _address(channel: str, text: str, region: str) -> str:
    address = normal_address(channel, text, region)
    if address is None:
        raise invalid(f"`to` is no address for {channel}")
    return address


def _expiry(text: str, now: datetime) -> datetime:
    at = instant(text)
    if at is not None:
        return at
    try:
        return now + parse_duration(text)
    except (DurationError, OverflowError) as exc:
        raise invalid(f"`expires`: {exc}") from exc
