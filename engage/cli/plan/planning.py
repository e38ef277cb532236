"""Planning: what a publication would change, and what it would mean for the people inside and those about to enter."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from engage.bootstrap import Runtime
from engage.cli.plan.forecast import Forecast, expected, lately, times
from engage.compiled import sources_of
from engage.domain.catalog import Catalog, LiveJourney
from engage.domain.journey.journey import Journey
from engage.engine.publish.preview import estimate_audiences
from engage.engine.publish.publish import Source
from engage.ports.reading import JourneyNumbers
from engage.ports.storage import StoredDefinition
from engage.project.kinds import Kind
from engage.project.load import Project, load_source
from engage.project.plan.impact import sends_ahead, unsupplied
from engage.project.plan.plan import Change, Key, changes
from engage.project.plan.steps import Edit

FORMAT = 1


class Moving(msgspec.Struct, frozen=True, kw_only=True):
    """People whom `migrate` moves: from a step of an older version to a step of the new one, or out."""

    version: int
    step: str
    to: str
    people: int


class People(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a change means for people."""

    inside: dict[int, int] = {}
    """Active runs by version: they finish on the version they entered with."""
    waiting: dict[str, int] = {}
    """Of the changed or removed steps: how many wait there."""
    moving: list[Moving] = []
    matching: int | None = None
    """An audience: how many would be in it."""
    entering: int | None = None
    """A journey with `existing: include`: how many would enter at once."""
    exact: bool = True
    """Whether `matching` and `entering` are counted; else they are estimated from some people."""
    sends_ahead: dict[str, int] = {}
    """The most messages per channel that those who enter may get."""
    cost_ahead: Decimal | None = None
    """What those cost, by `settings.prices`."""
    lately: Forecast | None = None
    """A journey people enter one by one: what it means if as many enter as in the last 30 days."""
    expected: Forecast | None = None
    """A journey nobody entered lately: the same, if everybody who did what starts it in the last 30 days entered."""
    unknown: str | None = None
    """Why neither can be said."""


class PlannedChange(msgspec.Struct, kw_only=True):
    """One definition that changes, with its versions."""

    change: Change
    version: int | None
    next_version: int | None
    state: str | None = None
    people: People = msgspec.field(default_factory=People)


class Plan(msgspec.Struct, kw_only=True):
    """Everything a publication would do; `epoch` is what it was made against."""

    epoch: int
    changes: list[PlannedChange]
    blockers: list[str] = []
    """Why it cannot be published."""
    currency: str = "USD"
    """Of every cost."""


class PlanFile(msgspec.Struct, kw_only=True):
    """A plan as `engage plan -o` keeps it: with the texts, so that what was reviewed is what is published."""

    format: int
    plan: Plan
    sources: list[Source]


class LiveProject(msgspec.Struct, frozen=True):
    """What is live, at one instant."""

    epoch: int
    stored: Mapping[Key, StoredDefinition]
    last: Mapping[Key, int]
    catalog: Catalog


def live_project(runtime: Runtime) -> LiveProject:
    """Read what is live."""
    with runtime.store.transaction() as tx:
        return LiveProject(
            epoch=tx.definitions.epoch(),
            stored={(item.kind, item.name): item for item in tx.definitions.live()},
            last=tx.definitions.last_versions(),
            catalog=runtime.compiled.catalog_of(tx),
        )


def make_plan(runtime: Runtime, project: Project) -> Plan:
    """Compare a checked project with what is live."""
    return plan_of(runtime, live_project(runtime), sources_of(project), project)


def plan_rollback(runtime: Runtime, journey: str, version: int | None) -> tuple[Plan, StoredDefinition]:
    """Compare an earlier version of a journey with the live one; everything else stays as it is.

    Raises:
        NoSuchVersionError: there is none.
    """
    live = live_project(runtime)
    _, earlier = runtime.operate.earlier(journey, version)
    sources = [
        Source(kind=item.kind, name=item.name, text=item.source)
        for key, item in live.stored.items()
        if key != (Kind.JOURNEY, journey)
    ]
    again = Source(kind=Kind.JOURNEY, name=journey, text=earlier.source)
    return plan_of(runtime, live, [*sources, again], None), earlier


def plan_of(runtime: Runtime, live: LiveProject, sources: Sequence[Source], project: Project | None) -> Plan:
    """Return the plan for these sources."""
    wanted = {(source.kind, source.name): source.text for source in sources}
    before = {key: item.source for key, item in live.stored.items()}
    future = _future(live, wanted) if project is None else catalog_of_project(project)
    found = changes(before, wanted)
    audiences = {change.name for change in found if change.kind == Kind.AUDIENCE}
    including = {change.name for change in found if _includes(future, change)}
    audiences |= {_audience_of(future, name) for name in including}
    estimates = (
        estimate_audiences(
            runtime.store, future, sorted(audiences & set(future.audiences)), runtime.clock.now()
        )
        if audiences & set(future.audiences)
        else {}
    )
    planned: list[PlannedChange] = []
    for change in found:
        key = (change.kind, change.name)
        item = live.stored.get(key)
        people = People()
        if change.kind == Kind.JOURNEY:
            numbers = runtime.reading.journey(change.name)
            _people_inside(people, change, numbers, future.journeys.get(change.name), live)
            if change.edit is not Edit.REMOVED and change.name in future.journeys:
                _ahead(people, runtime, future, change.name, at_once=change.name in including)
        if change.kind == Kind.AUDIENCE and change.name in estimates:
            people.matching, people.exact = estimates[change.name].about, estimates[change.name].exact
        if change.name in including and change.kind == Kind.JOURNEY:
            journey = future.journeys[change.name].journey
            estimate = estimates.get(_audience_of(future, change.name))
            if estimate is not None:
                left = journey.trigger.audience is not None and journey.trigger.audience.left is not None
                people.exact = estimate.exact
                people.entering = estimate.everybody - estimate.about if left else estimate.about
                people.sends_ahead = times(sends_ahead(journey), people.entering)
                people.cost_ahead = future.settings.prices.of(people.sends_ahead)
        planned.append(
            PlannedChange(
                change=change,
                version=None if item is None else item.version,
                next_version=None if change.edit is Edit.REMOVED else live.last.get(key, 0) + 1,
                state=item.state if item is not None and change.kind == Kind.JOURNEY else None,
                people=people,
            )
        )
    return Plan(
        epoch=live.epoch,
        changes=planned,
        blockers=_blockers(runtime, wanted),
        currency=future.settings.prices.currency,
    )


def _ahead(people: People, runtime: Runtime, future: Catalog, journey: str, *, at_once: bool) -> None:
    now = runtime.clock.now()
    people.lately = lately(runtime.reading, future, journey, now)
    if people.lately is None and not at_once:
        match expected(runtime.reading, future, journey, now):
            case str(why):
                people.unknown = why
            case forecast:
                people.expected = forecast


def catalog_of_project(project: Project) -> Catalog:
    """Return the catalog that a project's files would be."""
    return Catalog(
        settings=project.settings,
        journeys=[LiveJourney(journey, 0) for journey in project.journeys.values()],
        audiences=project.audiences.values(),
        traits=project.traits.values(),
    )


def _future(live: LiveProject, wanted: Mapping[Key, str]) -> Catalog:
    journeys = dict(live.catalog.journeys)
    for (kind, name), text in wanted.items():
        if kind == Kind.JOURNEY:
            form, _ = load_source(kind, name, text)
            if isinstance(form, Journey):
                journeys[name] = LiveJourney(form, 0)
    return Catalog(
        settings=live.catalog.settings,
        journeys=journeys.values(),
        audiences=live.catalog.audiences.values(),
        traits=live.catalog.traits.values(),
    )


def _includes(future: Catalog, change: Change) -> bool:
    live = future.journeys.get(change.name)
    return (
        change.kind == Kind.JOURNEY
        and change.edit is not Edit.REMOVED
        and live is not None
        and live.journey.trigger.existing == "include"
    )


def _audience_of(future: Catalog, journey: str) -> str:
    trigger = future.journeys[journey].journey.trigger.audience
    assert trigger is not None
    return trigger.entered or trigger.left or ""


def _people_inside(
    people: People, change: Change, numbers: JourneyNumbers, future: LiveJourney | None, live: LiveProject
) -> None:
    people.inside = dict(sorted(numbers.active.items()))
    waiting = {(line.version, line.step): line.waiting for line in numbers.funnel if line.waiting}
    current = live.stored.get((Kind.JOURNEY, change.name))
    for part in change.parts:
        if part.step is not None and current is not None:
            count = waiting.get((current.version, part.step), 0)
            if count:
                people.waiting[part.part] = count
    migrate = None if future is None else future.journey.migrate
    if migrate is None or change.edit is Edit.REMOVED:
        return
    if not live.catalog.has_version(change.name, migrate.from_):
        return
    old = live.catalog.version(change.name, migrate.from_).program.by_id
    for step, to in migrate.steps.items():
        count = 0 if step not in old else waiting.get((migrate.from_, old[step].path), 0)
        people.moving.append(Moving(version=migrate.from_, step=step, to=to, people=count))


def _blockers(runtime: Runtime, wanted: Mapping[Key, str]) -> list[str]:
    """Return what would break people inside: a template may not begin to require what their version does not give."""
    templates: dict[str, Any] = {}
    for (kind, name), text in wanted.items():
        if kind == Kind.TEMPLATE:
            form, _ = load_source(kind, name, text)
            if form is not None:
                templates[name] = form
    with runtime.store.transaction() as tx:
        inside = sorted(tx.definitions.versions_inside())
        catalog = runtime.compiled.catalog_of(tx)
    versions = [
        (name, version, catalog.version(name, version))
        for name, version in inside
        if catalog.has_version(name, version)
    ]
    return unsupplied(versions, templates)
