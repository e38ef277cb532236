"""Time as marketers speak of it: durations, instants, zones, civil times, quiet hours, yearly dates, cron lines.

Every instant is aware and results are UTC; nothing here reads a clock.
"""

from engage.domain.timing.cron import Cron, CronError, cron_next, parse_cron
from engage.domain.timing.duration import DurationError, format_duration, parse_duration
from engage.domain.timing.instant import (
    EVERY_DAY,
    Weekday,
    format_instant,
    parse_date_text,
    parse_instant_text,
    parse_time,
    parse_weekday,
    unix_instant,
)
from engage.domain.timing.wall import (
    QuietHours,
    is_open,
    is_quiet,
    next_allowed,
    next_at,
    next_open,
    next_quiet,
)
from engage.domain.timing.yearly import next_yearly, yearly
from engage.domain.timing.zone import civil, wall_of, zone_names, zone_of

__all__ = [
    "EVERY_DAY",
    "Cron",
    "CronError",
    "DurationError",
    "QuietHours",
    "Weekday",
    "civil",
    "cron_next",
    "format_duration",
    "format_instant",
    "is_open",
    "is_quiet",
    "next_allowed",
    "next_at",
    "next_open",
    "next_quiet",
    "next_yearly",
    "parse_cron",
    "parse_date_text",
    "parse_duration",
    "parse_instant_text",
    "parse_time",
    "parse_weekday",
    "unix_instant",
    "wall_of",
    "yearly",
    "zone_names",
    "zone_of",
]
