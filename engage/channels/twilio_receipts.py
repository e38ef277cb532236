"""What a message's status says about its delivery, whichever of Twilio's products tells it."""

from collections.abc import Iterable
from datetime import datetime

from engage.channels.twilio_errors import failure
from engage.domain.delivery.delivery import Mark
from engage.domain.fact import Receipt
from engage.domain.ids import DeliveryId

PROVIDER = "twilio"


def message_receipts(
    mark: Mark,
    delivery: DeliveryId,
    at: datetime,
    *,
    sid: str,
    identity: str,
    code: str | None,
    address: str | None = None,
) -> Iterable[Receipt]:
    """Yield the receipts that a status is: its own and, where its code says so, the person's no."""
    failed = mark in {Mark.FAILED, Mark.UNDELIVERED}
    why = failure(code) if failed else None
    yield Receipt(
        delivery=delivery,
        mark=mark,
        at=at,
        receipt_id=identity,
        provider=PROVIDER,
        provider_id=sid or None,
        code=code if failed else None,
        reason=why.reason if why else None,
        hard=why.permanent if why else True,
        suppress=bool(why and why.permanent),
        soft=bool(why and why.soft),
        slows=bool(why and why.slows),
        needs_template=bool(why and why.needs_template),
        cap=why.cap if why else None,
        address=address,
    )
    if why is not None and why.opted_out:
        yield Receipt(
            delivery=delivery,
            mark=Mark.UNSUBSCRIBED,
            at=at,
            receipt_id=f"{identity}:opt-out",
            provider=PROVIDER,
            provider_id=sid or None,
            code=code,
            address=address,
        )
