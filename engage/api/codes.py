"""Codes: whoever was sent one gives it back, and we ask its maker whether it is right."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from engage.api.answers import ApiError
from engage.api.commands import json_response
from engage.api.deps import ApiDeps
from engage.api.description import takes
from engage.api.inputs import Body, CodeRequest, needs, read_request, uuid_of
from engage.domain.access import Caller, Scope
from engage.domain.delivery.delivery import Delivery, Mark
from engage.domain.fact import NewFact, Receipt, encode
from engage.domain.ids import DeliveryId
from engage.engine.accept.intake import Piece, Taken
from engage.ports.channel import CodeVerdict

SOURCE = "codes"


def code_routes(deps: ApiDeps) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.post("/v1/deliveries/{delivery}/check", tags=["deliveries"], openapi_extra=takes(CodeRequest))
    def check_code(
        delivery: str,
        _caller: Annotated[Caller, Depends(needs(deps, Scope.DELIVERIES_WRITE))],
        body: Body,
    ) -> Response:
        """Say whether this is the code that the delivery brought. Each try counts; a right one makes the delivery `replied`."""
        wanted = read_request(body, CodeRequest)
        found = _found(deps, delivery)
        verdict = CodeVerdict.UNAVAILABLE
        if deps.codes is not None and found.provider_id is not None:
            verdict = deps.codes.check(found.sender, found.provider_id, wanted.code)
        if verdict is CodeVerdict.UNAVAILABLE:
            raise ApiError(
                503, "unavailable", "Nobody can say just now; try again.", headers={"retry-after": "2"}
            )
        is_right = verdict is CodeVerdict.RIGHT
        if is_right:
            _keep(deps, found)
        return json_response(
            {"delivery_id": found.id, "approved": is_right, "reason": None if is_right else str(verdict)}
        )

    return router


def _found(deps: ApiDeps, delivery: str) -> Delivery:
    key = DeliveryId(uuid_of(delivery, "delivery"))
    with deps.store.transaction() as tx:
        found = tx.deliveries.get([key]).get(key)
    if found is None:
        raise ApiError(404, "unknown_delivery", "There is no delivery with this id.")
    if found.sender is None or not found.marks or found.provider_id is None:
        raise ApiError(409, "not_a_code", "This delivery brought no code, or has not left yet.")
    return found


def _keep(deps: ApiDeps, delivery: Delivery) -> None:
    """Keep that the person has answered, once however often it is asked."""
    now = deps.clock.now()
    receipt = Receipt(
        delivery=delivery.id,
        mark=Mark.REPLIED,
        at=now,
        receipt_id=f"{delivery.provider_id}:right",
        provider=delivery.provider or SOURCE,
    )
    fact = NewFact(
        lane=delivery.lane,
        source=SOURCE,
        message_id=f"{delivery.id}:{receipt.receipt_id}",
        received_at=now,
        payload=encode(receipt),
    )
    deps.intake.store(Taken([Piece(fact=fact)]))
