"""`Retry-After` and its relatives: how long a provider asks us to wait."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_LONGEST = timedelta(hours=1)
"""Beyond this the engine gives up anyway (vocabulary.md, "Provider trouble")."""


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Return the wait that an answer's headers (names in lower case) ask for: 0 s to 1 h; none where they don't.

    `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), else `X-RateLimit-Reset` as a Unix second.
    """
    text = headers.get("retry-after")
    if text is not None:
        return _bounded(_seconds(text))
    reset = headers.get("x-ratelimit-reset")
    if reset is not None and headers.get("x-ratelimit-remaining", "0").strip() == "0":
        try:
            return _bounded(float(reset) - time.time())
        except ValueError:
            return None
    return None


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return (at - datetime.now(UTC)).total_seconds()


def _bounded(seconds: float | None) -> timedelta | None:
    if seconds is None or seconds != seconds:  # NaN has no order
        return None
    return timedelta(seconds=max(0.0, min(seconds, _LONGEST.total_seconds())))
