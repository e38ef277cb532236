"""Daily caps: what a provider refuses because a day's allowance is used up waits until there is a new one."""

from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

_CARRIERS_ZONE = ZoneInfo("America/Los_Angeles")


class DailyCap(StrEnum):
    """When an allowance renews."""

    CARRIERS_DAY = "carriers_day"
    """At midnight in Los Angeles: T-Mobile's day."""
    ROLLING_DAY = "rolling_day"
    """What was sent counts for 24 hours."""

    def renews_at(self, at: datetime) -> datetime:
        """Return when something may leave again that was refused at `at`: later, and by 25 hours at most."""
        if self is DailyCap.ROLLING_DAY:
            return at + timedelta(days=1)
        tomorrow = at.astimezone(_CARRIERS_ZONE).date() + timedelta(days=1)
        return datetime.combine(tomorrow, time(), _CARRIERS_ZONE).astimezone(at.tzinfo)
