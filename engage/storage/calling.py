"""Calling: which attempts to send the providers have told us of, as both stores keep it."""

from collections.abc import Iterable
from datetime import datetime

from engage.domain.delivery.delivery import Channel
from engage.domain.turn.changes import Changes


def heard_of(changes: Changes) -> Iterable[tuple[Channel, datetime]]:
    """Return, by channel, when the latest delivery was called that this turn's receipts are about."""
    latest: dict[Channel, datetime] = {}
    for receipt in changes.receipts:
        delivery = changes.deliveries.get(receipt.delivery)
        if delivery is not None and delivery.sending_at is not None:
            known = latest.get(delivery.channel, delivery.sending_at)
            latest[delivery.channel] = max(known, delivery.sending_at)
    return latest.items()
