"""Windows: who may be written to freely on WhatsApp, because they wrote to us within a day."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from engage.domain.delivery.delivery import Channel, Delivery
from engage.domain.ids import ProfileId
from engage.ports.storage import Transaction

WHATSAPP_WINDOW = timedelta(hours=24)
"""How long after a person's last message a free text may be sent (Twilio, WhatsApp)."""


def open_windows(tx: Transaction, ready: Sequence[Delivery], now: datetime) -> set[tuple[ProfileId, str]]:
    """Return who wrote to us on WhatsApp, from which number, so lately that a free text may answer."""
    profiles = {delivery.profile for delivery in ready if delivery.channel is Channel.WHATSAPP}
    if not profiles:
        return set()
    heard = tx.events.history(profiles, {"WhatsApp Received": now - WHATSAPP_WINDOW})
    return {
        (profile, str(event.properties.get("from"))) for profile, events in heard.items() for event in events
    }
