"""When an event happened: Segment's correction for clocks that are wrong."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from engage.domain.timing import parse_instant_text, unix_instant

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Segment takes nothing older either; what is older is a slip (a number of the wrong unit, a zero)."""
_UTC_ZONE = ZoneInfo("UTC")


def instant(value: object) -> datetime | None:
    """Return the instant (UTC) that a JSON value names: ISO 8601, without an offset UTC, or a Unix number. Else None."""
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return unix_instant(value)
    return None


def _from_text(text: str) -> datetime | None:
    if len(text) > 64:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return parse_instant_text(text.strip(), _UTC_ZONE)
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def corrected(original: datetime, sent_at: datetime | None, received_at: datetime) -> datetime | None:
    """Return `received_at - (sent_at - original)`: the client's clock is only asked for the distance.

    Without `sent_at` the original is taken as given. The future is clamped to the receipt. None: before `EARLIEST`.
    """
    try:
        at = original if sent_at is None else received_at - (sent_at - original)
    except OverflowError:
        return None
    return None if at < EARLIEST else min(at, received_at)
