"""Routes for operators: what the command line asks of a server on another machine (`ENGAGE_API_URL`)."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from engage.api.answers import ApiError
from engage.api.commands import json_response
from engage.api.deps import ApiDeps
from engage.api.description import takes
from engage.api.inputs import (
    Body,
    ReplayRequest,
    Resolved,
    SendingChange,
    StateChange,
    invalid,
    needs,
    read_request,
)
from engage.api.reading import After, Limit, People, cursor_checked
from engage.api.shapes import kept_shape, page_shape, unknown_shape
from engage.domain.access import Caller, Scope
from engage.domain.ids import DeliveryId
from engage.domain.timing import parse_instant_text, zone_of
from engage.engine.explain.explain import About
from engage.engine.explain.telling import told_about
from engage.engine.operate import (
    ALL,
    NoSuchVersionError,
    NotUnknownError,
    Operate,
    Operator,
    Resolution,
    Wanted,
    WrongStateError,
)
from engage.engine.overview import overview
from engage.engine.people.erase import ERASED
from engage.engine.quarantine import Again, Meant
from engage.ports.reading import PAGE
from engage.project.words.steps import step_line

RECENT = 1_000
"""Entries of the audit trail that are looked through for an erasure."""


def operating_routes(deps: ApiDeps) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["operations"])
    people, operators = People(deps), _Operators(deps)
    may_operate = Depends(needs(deps, Scope.ADMIN))

    @router.get("/v1/status")
    def status(_caller: Annotated[Caller, may_operate]) -> Response:
        """Queues and how late they are, what is stopped or paused, who is stuck, the quarantine."""
        return json_response(overview(deps.store, deps.reading, deps.catalog(), deps.clock.now()))

    @router.get("/v1/why/{person:path}")
    def why(
        person: str,
        _caller: Annotated[Caller, Depends(needs(deps, Scope.PROFILES_READ))],
        journey: Annotated[str | None, Query(max_length=200)] = None,
        message: Annotated[str | None, Query(max_length=200)] = None,
        at: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Response:
        """Every decision about a person, as a tree: entered or not, each branch, each send or refusal with its rule."""
        return json_response(_why(deps, people, person, journey, message, at))

    @router.put("/v1/journeys/{journey}/state", openapi_extra=takes(StateChange))
    def change_state(journey: str, caller: Annotated[Caller, may_operate], body: Body) -> Response:
        """Pause, resume or archive a journey; the people inside follow by a job that the workers do."""
        return operators.state(journey, body, caller)

    @router.put("/v1/sending", openapi_extra=takes(SendingChange))
    def change_sending(caller: Annotated[Caller, may_operate], body: Body) -> Response:
        """Stop all sends, or one channel, at once; or let them leave again."""
        return operators.sending(body, caller)

    @router.get("/v1/quarantine")
    def quarantine(
        _caller: Annotated[Caller, may_operate], after: After = None, limit: Limit = PAGE
    ) -> Response:
        """Facts that could not be taken, the newest first, without their payload."""
        page = cursor_checked(lambda: deps.reading.quarantine(after, limit))
        return json_response(page_shape(page, kept_shape))

    @router.post("/v1/quarantine/replay", openapi_extra=takes(ReplayRequest))
    def replay(_caller: Annotated[Caller, may_operate], body: Body) -> Response:
        """Take facts of one page of the quarantine once more; what is still unfit stays."""
        return operators.replay(body)

    @router.get("/v1/unknown")
    def unknown(
        _caller: Annotated[Caller, may_operate], after: After = None, limit: Limit = PAGE
    ) -> Response:
        """Deliveries whose outcome is unknown, with when the provider is asked next."""
        page = cursor_checked(lambda: deps.reading.unknown_deliveries(after, limit))
        return json_response(page_shape(page, unknown_shape))

    @router.put("/v1/unknown/{delivery}", openapi_extra=takes(Resolved))
    def resolve(delivery: str, caller: Annotated[Caller, may_operate], body: Body) -> Response:
        """Say what became of a delivery whose outcome nobody knew; `not-taken` sends it again."""
        return operators.resolve(delivery, body, caller)

    @router.get("/v1/erasures/{request}")
    def erasure(
        request: str, _caller: Annotated[Caller, Depends(needs(deps, Scope.PROFILES_WRITE))]
    ) -> Response:
        """Whether the erasure that was answered with this `request` is done, with its proof."""
        return operators.erasure(request)

    return router


def _why(
    deps: ApiDeps, people: People, person: str, journey: str | None, message: str | None, at: str | None
) -> dict[str, Any]:
    profile, catalog = people.profile(person), deps.catalog()
    zone, invalid_zone = zone_of(profile.traits.get("timezone"), catalog.settings.zone)
    until = None if at is None else parse_instant_text(at) or parse_instant_text(at, zone)
    if at is not None and until is None:
        raise invalid("`at` is ISO 8601")
    about = About(journey=journey, message=message, until=until)
    told = told_about(deps.reading, catalog, profile, about, step_line)
    return {"profile": profile.id, "zone": zone.key, "zone_invalid": invalid_zone, "decisions": told}


class _Operators:
    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps
        self._operate = Operate(deps.store)
        self._again = Again(deps.store, deps.reading, deps.acceptor, deps.intake)

    def state(self, journey: str, body: bytes, caller: Caller) -> Response:
        wanted = Wanted(read_request(body, StateChange).action)
        try:
            epoch = self._operate.set_state(journey, wanted, self._by(caller))
        except NoSuchVersionError as exc:
            raise ApiError(404, "unknown_journey", str(exc)) from exc
        except WrongStateError as exc:
            raise ApiError(409, "wrong_state", str(exc)) from exc
        return json_response({"journey": journey, "action": wanted, "epoch": epoch})

    def sending(self, body: bytes, caller: Caller) -> Response:
        wanted = read_request(body, SendingChange)
        changed = self._operate.stop_sending(wanted.channel or ALL, wanted.stopped, self._by(caller))
        return json_response({"changed": changed, "stopped": sorted(self._operate.stopped())})

    def replay(self, body: bytes) -> Response:
        wanted = read_request(body, ReplayRequest)
        meant = Meant(frozenset(wanted.ids), wanted.reason)
        return json_response(cursor_checked(lambda: self._again.page(wanted.after, meant)))

    def resolve(self, delivery: str, body: bytes, caller: Caller) -> Response:
        how = Resolution(read_request(body, Resolved).how)
        try:
            found = self._operate.resolve(DeliveryId(str(UUID(delivery))), how, self._by(caller))
        except ValueError as exc:
            raise invalid("a delivery is named by its id") from exc
        except NotUnknownError as exc:
            raise ApiError(409, "not_unknown", str(exc)) from exc
        return json_response({"delivery_id": found.id, "channel": found.channel, "as": how})

    def erasure(self, request: str) -> Response:
        with self._deps.store.transaction() as tx:
            proofs = [
                entry
                for entry in tx.trail.newest(RECENT)
                if entry.action == ERASED and entry.data.get("request") == request
            ]
        data = proofs[0].data if proofs else {}
        return json_response(
            {
                "erased": bool(proofs),
                "proofs": [proof.subject for proof in proofs],
                "rows": data.get("rows", 0),
                "tables": data.get("tables", {}),
            }
        )

    def _by(self, caller: Caller) -> Operator:
        return Operator(caller.name, self._deps.clock.now())
