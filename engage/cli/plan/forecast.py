"""Forecast: how many may enter a journey in a month, from what people did in the last one; and when nobody can say."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from engage.domain.catalog import Catalog
from engage.domain.journey.trigger import Trigger
from engage.ports.reading import Reading
from engage.project.plan.impact import sends_ahead

MONTH = timedelta(days=30)


class Forecast(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a month of a journey would be, at most."""

    entered: int
    """In the last 30 days, whatever the version; of `expected`: how many people did what starts it."""
    sends: dict[str, int] = {}
    cost: Decimal | None = None


def lately(reading: Reading, future: Catalog, journey: str, now: datetime) -> Forecast | None:
    """Return what a month would be if it were as the last one; None where nobody entered lately."""
    entered = reading.entered_since(journey, now - MONTH)
    return _forecast(future, journey, entered) if entered else None


def expected(reading: Reading, future: Catalog, journey: str, now: datetime) -> Forecast | str:
    """Return what a month would be by the history of what starts a journey; else why that cannot be known."""
    trigger = future.journeys[journey].journey.trigger
    names = _heard(trigger)
    if not names:
        return _UNKNOWN.get(trigger.form, "what starts it leaves no history")
    people = reading.did_since(names, now - MONTH)
    if not people:
        return f"nobody did {' or '.join(f'`{name}`' for name in names)} in the last 30 days"
    return _forecast(future, journey, people)


_UNKNOWN = {
    "audience": "it depends on who will enter or leave the audience",
    "trait": "how often a trait changes is not kept",
    "date": "it depends on people's dates",
    "schedule": "it depends on the audience at each time",
    "signal": "signals are not kept",
    "api": "it depends on who calls",
}


def _heard(trigger: Trigger) -> tuple[str, ...]:
    if trigger.inbound is not None:
        return (trigger.inbound.event,)
    return trigger.event or ()


def _forecast(future: Catalog, journey: str, people: int) -> Forecast:
    sends = times(sends_ahead(future.journeys[journey].journey), people)
    return Forecast(entered=people, sends=sends, cost=future.settings.prices.of(sends))


def times(per_person: dict[str, int], people: int) -> dict[str, int]:
    """Return so many messages per channel for so many people."""
    return {channel: count * people for channel, count in sorted(per_person.items())}
