"""Telling: what storage keeps about one person, read and explained."""

from collections.abc import Callable
from typing import TypeVar

from engage.domain.catalog import Catalog
from engage.domain.ids import ProfileId
from engage.domain.journey.journey import Journey
from engage.domain.profile.profile import Event, Profile
from engage.domain.steps.base import Step
from engage.engine.explain.explain import About, History, Told, explain
from engage.ports.reading import Page, Reading

Item = TypeVar("Item")
AT_MOST = 2_000
"""Lines of one list that are read; the newest."""
EVENTS_AT_MOST = 100_000
"""Events looked through for the one that is asked about."""
_EVENTS_AT_ONCE = 500


def told_about(
    reading: Reading, catalog: Catalog, person: Profile, about: About, step_line: Callable[[Step], str]
) -> list[Told]:
    """Return every decision about a person, as far as `about` asks; `step_line` says what a step does in a few words."""
    key = person.id

    def version_of(journey: str, version: int) -> Journey | None:
        return catalog.version(journey, version) if catalog.has_version(journey, version) else None

    deliveries = _all(lambda after: reading.deliveries(key, after))
    is_event = about.message is not None and all(seen.delivery.id != about.message for seen in deliveries)
    history = History(
        decisions=_all(lambda after: reading.decisions(key, after))[::-1],
        runs=_all(lambda after: reading.runs(key, after)),
        deliveries=deliveries,
        events=_event(reading, key, about.message or "") if is_event else (),
        version_of=version_of,
        sensitive=catalog.settings.sensitive,
        step_line=step_line,
    )
    return explain(history, about)


def _event(reading: Reading, key: ProfileId, message: str) -> list[Event]:
    """Return the event a message id names; none if there is none among the newest."""
    after: str | None = None
    for _ in range(EVENTS_AT_MOST // _EVENTS_AT_ONCE):
        page = reading.events(key, after, _EVENTS_AT_ONCE)
        found = [event for event in page.items if event.id == message]
        after = page.next
        if found or after is None:
            return found
    return []


def _all(read: Callable[[str | None], Page[Item]]) -> list[Item]:
    found: list[Item] = []
    after: str | None = None
    while len(found) < AT_MOST:
        page = read(after)
        found.extend(page.items)
        after = page.next
        if after is None:
            break
    return found
