"""Short ways to ask an expression in a test."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from engage.domain.expression import MapHistory, PastEvent, Place, Scope, Value, compile_expression

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def past(name: str, ago: timedelta = timedelta(0), **properties: Any) -> PastEvent:
    """An event that happened `ago` before NOW."""
    return PastEvent(name=name, timestamp=NOW - ago, properties=properties)


def history(*events: PastEvent) -> MapHistory:
    """A history in which events of one instant arrived in the order given."""
    return MapHistory(
        PastEvent(name=event.name, timestamp=event.timestamp, properties=event.properties, arrival=number)
        for number, event in enumerate(events)
    )


def scope(**parts: Any) -> Scope:
    """A scope at NOW."""
    return Scope(**{"now": NOW, **parts})


def ask(source: str, place: Place = Place.WAIT, /, **parts: Any) -> Value:
    """The value of `source` in a scope of these parts."""
    return compile_expression(source, place).value(scope(**parts))


def of_profile(source: str, /, **traits: Any) -> Value:
    """The value of `source` for a profile with these traits."""
    return ask(source, profile=traits)


def of_event(source: str, properties: Mapping[str, Any]) -> Value:
    """The value of `source` while looking at an event with these properties."""
    return ask(source, event=properties)
