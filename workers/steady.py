"""Steady: a clock for beat that no correction of the machine's clock moves.

Celery reckons when an entry is due next by the time of day: a clock that is set back by an hour would be an hour without sweeps.
"""

from datetime import UTC, datetime, timedelta
from time import monotonic

from celery.schedules import schedule

_BEGAN, _AT = datetime.now(UTC), monotonic()


def steady_now() -> datetime:
    """Return the time of day as this process began, and what has passed since then."""
    return _BEGAN + timedelta(seconds=monotonic() - _AT)


def every(seconds: float) -> schedule:
    """Return a schedule of an interval, whatever becomes of the time of day."""
    return schedule(timedelta(seconds=seconds), nowfun=steady_now)
