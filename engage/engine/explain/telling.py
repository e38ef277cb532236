"""Telling: what storage keeps about one person, read and explained."""

from collections.abc import Callable
from typing import TypeVar

from engage.domain.catalog import Catalog
from engage.domain.journey.journey import Journey
from engage.domain.profile.profile import Profile
from engage.domain.steps.base import Step
from engage.engine.explain.explain import About, History, Told, explain
from engage.ports.reading import Page, Reading

Item = TypeVar("Item")
AT_MOST = 2_000
"""Lines of one list that are read; the newest."""


def told_about(
    reading: Reading, catalog: Catalog, person: Profile, about: About, step_line: Callable[[Step], str]
) -> list[Told]:
    """Return every decision about a person, as far as `about` asks; `step_line` says what a step does in a few words."""
    key = person.id

    def version_of(journey: str, version: int) -> Journey | None:
        return catalog.version(journey, version) if catalog.has_version(journey, version) else None

    history = History(
        decisions=_all(lambda after: reading.decisions(key, after))[::-1],
        runs=_all(lambda after: reading.runs(key, after)),
        deliveries=_all(lambda after: reading.deliveries(key, after)),
        events=_all(lambda after: reading.events(key, after)),
        version_of=version_of,
        sensitive=catalog.settings.sensitive,
        step_line=step_line,
    )
    return explain(history, about)


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
