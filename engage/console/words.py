"""Words: what statuses, reasons and decisions are called for somebody who reads, and how things are written."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from engage.domain.delivery.delivery import UNSUCCESSFUL, WAITING, Channel, Mark
from engage.domain.timing import format_duration

CHANNELS: Mapping[str, str] = {
    Channel.EMAIL: "Email",
    Channel.SMS: "SMS",
    Channel.MMS: "MMS",
    Channel.WHATSAPP: "WhatsApp",
    Channel.VOICE: "Call",
    Channel.CHAT: "Chat",
}
REASONS = {
    "sending_stopped": "sending on this channel was stopped by hand",
    "holdout": "in the group that is measured and gets nothing",
    "no_address": "no address on this channel is known",
    "suppressed": "this address must not be used: it bounced, complained, or was suppressed",
    "unsubscribed": "this person or address said no",
    "not_opted_in": "nobody said yes to this topic on this address",
    "expired": "it would have come too late",
    "unknown_zone": "the time zone is not known",
    "law": "a law forbids it at this hour",
    "quiet_hours": "it is night for this person",
    "capped": "enough was sent to this person lately",
    "render_failed": "the template could not be filled in",
    "invalid_address": "the provider says that this address does not exist",
    "blocked": "the provider or carrier refuses to deliver it",
    "content": "the provider refuses the content",
    "config": "the account or sender is not set up for this",
    "provider_error": "the provider refused it for an hour",
    "unknown_outcome": "nobody could say whether it was taken, so it was not sent again",
    "paused": "the journey is paused",
    "rate": "the sender's rate is used up for the moment",
    "retry": "the provider refused for now; it is tried again",
    "late": "the event came too late to begin something",
    "no_key": "the journey's key has no value",
    "entry_where": "the journey's condition was not met",
    "already_inside": "already inside",
    "reentry": "was inside too recently",
    "goal": "the goal was reached",
    "goal_late": "the goal was reached after its time",
    "completed": "came to the end",
    "replaced": "a newer entry took its place",
    "archived": "the journey was archived",
    "merged": "two profiles became one",
    "stale": "woken too late",
    "loop_limit": "went round in circles",
}


def channel_word(channel: str) -> str:
    """Return a channel's name."""
    return CHANNELS.get(channel, channel.capitalize())


def reason_words(reason: str | None) -> str:
    """Return what a reason means; nothing for one that says it itself."""
    return REASONS.get(reason or "", "")


def tone(status: str) -> str:
    """Return how a status is coloured: good, bad, waiting, doubtful or plain."""
    try:
        mark = Mark(status)
    except ValueError:
        return "plain"
    if mark in UNSUCCESSFUL or mark is Mark.COMPLAINED:
        return "bad"
    if mark in WAITING or mark is Mark.SENDING:
        return "waiting"
    if mark is Mark.UNKNOWN:
        return "doubtful"
    if mark in (Mark.SKIPPED, Mark.CANCELED):
        return "plain"
    return "good"


def value_text(value: Any) -> str:
    """Return a JSON value on one line, short."""
    match value:
        case None:
            text = "none"
        case bool():
            text = "yes" if value else "no"
        case Decimal():
            text = format(value, "f")
        case dict():
            text = ", ".join(f"{name}: {value_text(part)}" for name, part in value.items()) or "empty"
        case list() | tuple():
            text = ", ".join(value_text(part) for part in value) or "empty"
        case datetime():
            text = value.isoformat(timespec="seconds")
        case _:
            text = str(value)
    return text if len(text) <= 160 else f"{text[:159]}…"


def values_text(values: Mapping[str, Any]) -> str:
    """Return named values on one line."""
    return " · ".join(f"{name} = {value_text(value)}" for name, value in values.items())


def seconds_text(seconds: float) -> str:
    """Return an age: `0.4 s`, `12 s`, `3 min 5 s`, `2 days`."""
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds else "0 s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    if seconds < 2 * 86400:
        hours, rest = divmod(round(seconds / 60), 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{seconds / 86400:.0f} days"


def duration_text(duration: timedelta) -> str:
    """Return a duration as a journey says it."""
    return format_duration(duration)


def clock_text(at: datetime, zone: ZoneInfo) -> str:
    """Return the time of day, to the second."""
    return at.astimezone(zone).strftime("%H:%M:%S")


def day_text(at: datetime, zone: ZoneInfo) -> str:
    """Return the day: `Tuesday, 24 November 2026`."""
    local = at.astimezone(zone)
    return f"{local:%A}, {local.day} {local:%B %Y}"


def stamp_text(at: datetime, zone: ZoneInfo) -> str:
    """Return day and time, short: `24 Nov 2026, 10:15:02`."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %Y, %H:%M:%S}"
