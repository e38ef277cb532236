"""Reading routes of our own API: one person's page, deliveries, audiences, journeys, consent. They change nothing."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from engage.api.answers import ApiError
from engage.api.commands import json_response
from engage.api.deps import ApiDeps
from engage.api.description import takes
from engage.api.inputs import Body, SubscriptionQuery, invalid, needs, person_of, read_request, uuid_of
from engage.api.shapes import (
    audience_shape,
    consent_shape,
    decision_shape,
    delivery_shape,
    event_shape,
    identifier_shape,
    journey_shape,
    name_of,
    page_shape,
    run_shape,
    traits_shape,
)
from engage.domain.access import Caller, Scope
from engage.domain.consent.consent import ledger_key
from engage.domain.delivery.delivery import Channel, Delivery
from engage.domain.fact import Identifier
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.profile.profile import Profile
from engage.engine.accept.requests import API, send_key
from engage.engine.publish.bring_in_line import under_way
from engage.ports.reading import PAGE, CursorError, DeliverySeen, Page, StepNumbers, Subscription

MAX_PAGE = 200
NOBODY = ProfileId("00000000-0000-0000-0000-000000000000")
"""Owns no consent: asked for where an address has a ledger and nobody has the address yet."""

After = Annotated[str | None, Query(max_length=1_000)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def reading_routes(deps: ApiDeps) -> APIRouter:
    """Return the routes."""
    router = APIRouter()
    people, project = People(deps), _Project(deps)
    may_read = Depends(needs(deps, Scope.PROFILES_READ))

    @router.get("/v1/profiles/{person:path}", tags=["profiles"])
    def profile(
        person: str,
        _caller: Annotated[Caller, may_read],
        only: Annotated[str | None, Query(alias="list")] = None,
        after: After = None,
        limit: Limit = PAGE,
    ) -> Response:
        """One person: traits, identifiers, consents, audiences, runs, deliveries, decisions, events."""
        return people.page(person, only, after, limit)

    @router.post("/v1/subscriptions/query", tags=["subscriptions"], openapi_extra=takes(SubscriptionQuery))
    def subscriptions(_caller: Annotated[Caller, may_read], body: Body) -> Response:
        """What somebody allowed, as the ledger has it now."""
        return people.subscriptions(body)

    @router.get("/v1/deliveries/{delivery}", tags=["deliveries"])
    def delivery(
        delivery: str, _caller: Annotated[Caller, Depends(needs(deps, Scope.DELIVERIES_READ))]
    ) -> Response:
        """One delivery with what the provider told about it."""
        return project.delivery(delivery)

    @router.get("/v1/audiences/{audience}/members", tags=["audiences"])
    def members(
        audience: str,
        _caller: Annotated[Caller, Depends(needs(deps, Scope.AUDIENCES_READ))],
        after: After = None,
        limit: Limit = PAGE,
    ) -> Response:
        """Who is in an audience, as `kind:value`."""
        return project.members(audience, after, limit)

    @router.get("/v1/audiences/{audience}", tags=["audiences"])
    def audience(
        audience: str, _caller: Annotated[Caller, Depends(needs(deps, Scope.AUDIENCES_READ))]
    ) -> Response:
        """How large an audience is, and what it is; `ready` once everybody was judged by the rule as it stands."""
        return project.audience(audience)

    @router.get("/v1/journeys/{journey}", tags=["journeys"])
    def journey(
        journey: str, _caller: Annotated[Caller, Depends(needs(deps, Scope.JOURNEYS_READ))]
    ) -> Response:
        """The numbers of a journey: versions, who stands where, how runs ended, what became of deliveries."""
        return project.journey(journey)

    return router


class People:
    """Finds people and shows their page."""

    def __init__(self, deps: ApiDeps) -> None:
        """Read with `deps`."""
        self._deps = deps
        self._reading = deps.reading

    def profile(self, person: str) -> Profile:
        """Return whom `kind:value` (or `id:` and the profile's id) names.

        Raises:
            ApiError: 404 for nobody, 400 if it cannot name anybody.
        """
        kind, _, value = person.partition(":")
        if kind == "id":
            key: ProfileId | None = self._reading.survivor(ProfileId(uuid_of(value, "profile")))
        else:
            key = self._reading.find(person_of(person, self._deps.acceptor.rules()))
        found = None if key is None else self._reading.profile(key)
        if found is None:
            raise ApiError(404, "unknown_profile", "Nobody is known by this name.")
        return found

    def traits(self, profile: Profile) -> dict[str, Any]:
        """Return a person's traits as they may be shown."""
        return traits_shape(profile, self._deps.catalog().settings.covered)

    def consents(self, profile: Profile | None, *named: Identifier) -> list[Subscription]:
        """Return the consents of a person and of all their addresses."""
        known = [] if profile is None else profile.identifiers
        addresses = [ledger_key(name.value) for name in (*known, *named) if name.kind in ("email", "phone")]
        return self._reading.consents(NOBODY if profile is None else profile.id, addresses)

    def page(self, person: str, only: str | None, after: str | None, limit: int) -> Response:
        """Answer a person's page, or the next page of one of its lists."""
        profile = self.profile(person)
        lists = self._lists(profile, limit)
        if only is None:
            if after is not None:
                raise invalid("`after` goes with `list`: say which list is read on")
            shown = {name: read(None) for name, read in lists.items()}
            person_shape = {
                "id": profile.id,
                "traits": self.traits(profile),
                "trait_times": profile.told_times(),
            }
            return json_response({**person_shape, **shown})
        if only not in lists:
            raise invalid(f"`list` is one of {', '.join(lists)}")
        part = cursor_checked(lambda: lists[only](after))
        # The list stands under its name as on the whole page, and its parts also at the top for a plain pager.
        return json_response({"id": profile.id, only: part, **part})

    def _lists(self, profile: Profile, limit: int) -> dict[str, Callable[[str | None], dict[str, Any]]]:
        reading, key = self._reading, profile.id
        return {
            "ids": lambda _after: page_shape(Page(profile.identifiers), identifier_shape),
            "consents": lambda _after: page_shape(Page(self.consents(profile)), consent_shape),
            "audiences": lambda _after: page_shape(Page(reading.audiences(key)), audience_shape),
            "runs": lambda after: page_shape(reading.runs(key, after, limit), run_shape),
            "deliveries": lambda after: page_shape(reading.deliveries(key, after, limit), delivery_shape),
            "decisions": lambda after: page_shape(reading.decisions(key, after, limit), decision_shape),
            "events": lambda after: page_shape(reading.events(key, after, limit), event_shape),
        }

    def subscriptions(self, body: bytes) -> Response:
        """Answer what somebody allowed: one line per channel and topic, a no outweighing a yes."""
        wanted = read_request(body, SubscriptionQuery)
        person = person_of(wanted.profile, self._deps.acceptor.rules())
        key = self._reading.find(person)
        profile = None if key is None else self._reading.profile(key)
        strictest: dict[tuple[str, str], Subscription] = {}
        for consent in self.consents(profile, person):
            place = (consent.channel, consent.topic)
            known = strictest.get(place)
            if known is None or _weight(consent) > _weight(known):
                strictest[place] = consent
        found = [
            {
                "profile": wanted.profile,
                "channel": consent.channel,
                "topic": consent.topic,
                "state": consent.state,
                "source": consent.source,
                "at": consent.at,
            }
            for _, consent in sorted(strictest.items())
        ]
        return json_response({"subscriptions": found})


def _weight(consent: Subscription) -> tuple[bool, bool, Any]:
    """A no outweighs everything; else what an address allowed outweighs the person's own; else the later one."""
    return consent.state == "unsubscribed", consent.address is not None, consent.at


class _Project:
    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps
        self._reading = deps.reading

    def delivery(self, delivery: str) -> Response:
        key = DeliveryId(uuid_of(delivery, "delivery"))
        # Between the two looks the workers may have taken it up.
        found = self._reading.delivery(key) or self._asked(key) or self._reading.delivery(key)
        if found is None:
            raise ApiError(404, "unknown_delivery", "There is no such delivery.")
        return json_response(delivery_shape(found))

    def _asked(self, key: DeliveryId) -> DeliverySeen | None:
        """Return a delivery that was asked for a moment ago, as it will be at first: whoever has its id may ask at once."""
        wish = self._reading.asked(API, send_key(key))
        if wish is None:
            return None
        asked = Delivery(
            id=key,
            profile=NOBODY,
            lane=0,
            channel=Channel(wish.send.channel),
            topic=wish.send.topic,
            template=wish.send.template,
            asked_at=wish.at,
            due_at=wish.at,
        )
        return DeliverySeen(delivery=asked, receipts=[])

    def audience(self, audience: str) -> Response:
        known, catalog = self._audience(audience), self._deps.catalog()
        with self._deps.store.transaction() as tx:
            job = under_way(catalog, tx.jobs.unfinished(), audience)
        return json_response(
            {
                "audience": audience,
                "description": known.description,
                "members": "manual" if known.manual else "rule",
                "size": self._reading.audience_size(audience),
                "ready": job is None,
                "backfill": None if job is None else {"done": job.done, "total": max(job.total, job.done)},
            }
        )

    def members(self, audience: str, after: str | None, limit: int) -> Response:
        self._audience(audience)
        page = cursor_checked(lambda: self._reading.members(audience, after, limit))
        return json_response(
            page_shape(page, lambda member: name_of(member.identifiers) or f"id:{member.profile}")
        )

    def _audience(self, audience: str) -> Any:
        known = self._deps.catalog().audiences.get(audience)
        if known is None:
            raise ApiError(404, "unknown_audience", "No audience of this name is published.")
        return known

    def journey(self, journey: str) -> Response:
        catalog = self._deps.catalog()
        live = catalog.journeys.get(journey)
        if live is None:
            raise ApiError(404, "unknown_journey", "No journey of this name is published.")
        numbers = self._reading.journey(journey)
        known = {live.version, *numbers.active, *(step.version for step in numbers.funnel)}
        versions = [
            {
                "version": version,
                "live": version == live.version,
                "state": live.state if version == live.version else None,
                "active": numbers.active.get(version, 0),
            }
            for version in sorted(known)
        ]

        def step_id(step: StepNumbers) -> str:
            if not catalog.has_version(journey, step.version):
                return step.step
            node = catalog.version(journey, step.version).program.nodes.get(step.step)
            return step.step if node is None else node.id

        steps = [node.id for node in live.journey.program.walk()]
        return json_response({"journey": journey, **journey_shape(numbers, versions, steps, step_id)})


def cursor_checked(read: Callable[[], Any]) -> Any:
    """Return what `read` returns.

    Raises:
        ApiError: 400 if no page named the cursor.
    """
    try:
        return read()
    except CursorError as exc:
        raise invalid("`after` is the `next` of a page, unchanged") from exc
