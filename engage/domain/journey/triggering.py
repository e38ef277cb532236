"""Triggering: which journeys one fact about a person starts, and with which entry."""

from collections.abc import Iterator, Mapping
from typing import Any

from engage.domain.catalog import LiveJourney
from engage.domain.expression.regex import compiled, first_match
from engage.domain.journey.entering import Candidate
from engage.domain.profile.person import Person
from engage.domain.profile.profile import Event
from engage.domain.profile.touched import Touched
from engage.domain.turn.turn import Turn

_INBOUND = ("body", "from", "to", "media", "subject")


def triggered(
    turn: Turn, person: Person, event: Event | None, touched: Touched
) -> Iterator[tuple[LiveJourney, Candidate]]:
    """Yield the journeys that an event, or what changed with it, starts; history being backfilled starts only those
    that want who is inside already."""
    if event is not None:
        yield from _by_event(turn, person, event)
        if event.type == "engine":
            yield from _by_audience(turn, event)
            if not turn.backfill:
                yield from _by_inbound(turn, person, event)
    if touched.values and not turn.backfill:
        yield from _by_trait(turn, person, touched)


def _by_event(turn: Turn, person: Person, event: Event) -> Iterator[tuple[LiveJourney, Candidate]]:
    for live in () if turn.backfill else turn.catalog.triggered_by(event.name):
        if is_meant(turn, person, live, event.properties, event.name):
            yield live, _candidate(event, event.properties)


def _by_audience(turn: Turn, event: Event) -> Iterator[tuple[LiveJourney, Candidate]]:
    if event.name in ("Audience Entered", "Audience Exited"):
        key = (str(event.properties.get("audience_key")), event.name == "Audience Entered")
        for live in turn.catalog.audience_triggers.get(key, ()):
            trigger = live.journey.trigger
            if not turn.backfill or (trigger.existing == "include" and trigger.pace is None):
                yield live, _candidate(event, event.properties)


def _by_inbound(turn: Turn, person: Person, event: Event) -> Iterator[tuple[LiveJourney, Candidate]]:
    for live in turn.catalog.inbound_triggers.get(event.name, ()):
        form = live.journey.trigger.inbound
        assert form is not None
        body = str(event.properties.get("body") or "")
        if form.matching is not None and first_match(compiled(form.matching), body) is None:
            continue
        if is_meant(turn, person, live, event.properties, event.name):
            entry = {name: event.properties[name] for name in _INBOUND if name in event.properties}
            yield live, _candidate(event, entry)


def _by_trait(turn: Turn, person: Person, touched: Touched) -> Iterator[tuple[LiveJourney, Candidate]]:
    for trait, (before, after) in sorted(touched.values.items()):
        for live in turn.catalog.trait_triggers.get(trait, ()):
            entry = {"before": before, "after": after}
            if is_meant(turn, person, live, entry, None):
                since = touched.at or turn.now
                yield live, Candidate(entry=entry, entry_event=None, since=since)


def is_meant(
    turn: Turn, person: Person, live: LiveJourney, properties: Mapping[str, Any], name: str | None
) -> bool:
    """Return whether the trigger's own `where` holds: is this fact meant at all (never recorded)."""
    where = live.journey.trigger.where
    if where is None:
        return True
    told = dict(properties)
    scope = person.scope(turn.catalog.settings, turn.now, event=told, entry=told, entry_event=name)
    return bool(where.truth(scope))


def _candidate(event: Event, entry: Mapping[str, Any]) -> Candidate:
    return Candidate(entry=entry, entry_event=event.name, since=event.timestamp, started_by=event.id)
