"""Run: scenarios from files, each in a world of its own, to a report."""

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import groupby

from engage.domain.timing import zone_of
from engage.engine.explain.explain import About
from engage.engine.explain.telling import told_about
from engage.ports.storage import Store
from engage.project.load import Project
from engage.project.scenario import Expect, Item, Scenario
from engage.project.words.steps import step_line
from engage.storage.memory import MemoryStore
from engage.storage.memory.reading import MemoryReading
from engage.testing.collect import Found, Projects, files_of, scenarios_in
from engage.testing.definitions import definitions_of
from engage.testing.errors import ScenarioError
from engage.testing.expectations import failures_of
from engage.testing.moments import as_offset
from engage.testing.people import profiles_of
from engage.testing.rendering import Renderers
from engage.testing.report import Explained, Report, Result
from engage.testing.seen import Seen
from engage.testing.stage import CALLS, Play, Stage

Stores = Callable[[], AbstractContextManager[Store]]
"""Makes an empty store for one scenario."""


def in_memory() -> AbstractContextManager[Store]:
    """Return an empty store that lives as long as its scenario."""
    return nullcontext(MemoryStore())


def run_scenarios(
    paths: Sequence[str | os.PathLike[str]] = (".",), *, live: bool = False, why: Sequence[str] = ()
) -> Report:
    """Run every scenario below `paths` and report; with `live`, through PostgreSQL.

    In memory everything that was decided about the people whom `why` names is kept with the results.

    A project folder stands for its `journeys/tests`. A document that is wrong counts as failed, with its mistakes.

    Raises:
        UnusablePathError: a path that is not there, or that holds no scenarios.
    """
    found = list(scenarios_in(files_of(paths)))
    if not live:
        return Report(list(_results(found, in_memory, why)))
    from engage.testing.live import live_stores  # PostgreSQL's driver is not needed otherwise

    with live_stores() as stores:
        return Report(list(_results(found, stores, ())))


def _results(found: Sequence[Found], stores: Stores, why: Sequence[str]) -> Iterator[Result]:
    projects, renderers = Projects(), Renderers()
    for one in found:
        explained: list[Explained] = []
        if one.scenario is None or one.problems:
            failures = tuple(str(problem) for problem in one.problems)
        else:
            failures = play_scenario(
                one.scenario,
                projects.at(one.root),
                stores,
                renderers,
                partial(_explain, why, explained),
            )
        yield Result(
            name=one.name, file=one.file, line=one.line, failures=failures, explained=tuple(explained)
        )


def _explain(why: Sequence[str], kept: list[Explained], stage: Stage, store: Store) -> None:
    if not why:
        return
    assert isinstance(store, MemoryStore)  # in PostgreSQL nobody asks
    with store.transaction() as tx:
        catalog = stage.catalog_of(tx)
        ids = profiles_of(tx, why)
        people = tx.people.lock(ids.values())
    for name in why:
        person = people.get(ids[name]) if name in ids else None
        if person is None:
            kept.append(Explained(name, catalog.settings.zone, None))
            continue
        zone, _ = zone_of(person.traits.get("timezone"), catalog.settings.zone)
        told = told_about(MemoryReading(store), catalog, person, About(), step_line)
        kept.append(Explained(name, zone, told))


def play_scenario(
    scenario: Scenario,
    project: Project | None,
    stores: Stores,
    renderers: Renderers,
    at_end: Callable[[Stage, Store], object] = lambda stage, store: None,
) -> tuple[str, ...]:
    """Play one scenario in a new world; return everything that did not hold. `at_end` sees that world, however it ended."""
    failures: list[str] = []
    item: Item | None = None
    try:
        definitions = definitions_of(scenario, project if scenario.use else None)
        renderer = renderers.of(definitions.templates)
        with stores() as store:
            begins = min([scenario.start, *(item.at for item in scenario.timeline[:1])])
            stage = Stage(
                Play(
                    definitions=definitions,
                    renderer=renderer,
                    choices=scenario.choices,
                    store=store,
                    begins=begins,
                    start=scenario.start,
                )
            )
            try:
                for group in _together(scenario.timeline):
                    item = group[0]
                    stage.move_to(item.at)
                    if isinstance(item, Expect):
                        failures += [f"{_where(item, scenario)}: {what}" for what in _check(item, stage)]
                    else:
                        stage.play(group)
            finally:
                at_end(stage, store)
    except ScenarioError as exc:
        failures.append(f"{exc}" if item is None else f"{_where(item, scenario)}: {exc}")
    except Exception as exc:
        # An accident of the engine is this scenario's failure; the others still say what they have to say.
        told = "".join(traceback.format_exception(exc)[-3:])
        failures.append(
            f"{'' if item is None else _where(item, scenario) + ': '}the engine broke down:\n{told}"
        )
    return tuple(failures)


def _together(timeline: Sequence[Item]) -> Iterator[list[Item]]:
    """Yield items in order; what one line says of several people at one instant is played as one batch."""
    for _, group in groupby(timeline, key=lambda item: (item.at, item.line, isinstance(item, CALLS))):
        batch: list[Item] = []
        people: set[str] = set()
        for item in group:
            person = getattr(item, "person", None)
            if batch and (not isinstance(item, CALLS) or person in people):
                yield batch
                batch, people = [], set()
            batch.append(item)
            people.add(str(person))
        yield batch


def _check(item: Expect, stage: Stage) -> list[str]:
    with stage.store.transaction() as tx:
        return list(failures_of(item.expected, Seen(stage, tx)))


def _where(item: Item, scenario: Scenario) -> str:
    return f"line {item.line}, at {as_offset(item.at, scenario.start)}"
