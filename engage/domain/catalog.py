"""Catalog: every definition that is live, compiled, with the indexes that say who listens to what."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.errors import StaleDefinitionError
from engage.domain.expression import Expression, Foldable, Text
from engage.domain.journey.journey import Journey
from engage.domain.journey.run import Run
from engage.domain.journey.trigger import Trigger
from engage.domain.law import NO_LAW, Law
from engage.domain.project_settings import ProjectSettings
from engage.domain.steps.choice import Split
from engage.domain.steps.people import Subscribe
from engage.domain.steps.wait_for import WaitFor


class JourneyState(StrEnum):
    """Whether a journey takes people in and moves those inside."""

    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class LiveJourney:
    """A journey's newest version and its state."""

    journey: Journey
    version: int
    state: JourneyState = JourneyState.ACTIVE

    @property
    def name(self) -> str:
        """The journey's name."""
        return self.journey.journey


class Catalog:
    """All live definitions of one epoch. Immutable; built once per epoch and process."""

    def __init__(
        self,
        *,
        epoch: int = 0,
        settings: ProjectSettings | None = None,
        journeys: Iterable[LiveJourney] = (),
        audiences: Iterable[Audience] = (),
        traits: Iterable[ComputedTrait] = (),
        pinned: Mapping[tuple[str, int], Journey] | None = None,
        stopped: frozenset[str] = frozenset(),
        law: Law = NO_LAW,
        whole: bool = True,
        folding: bool = True,
    ) -> None:
        """Build the catalog; `pinned` are older versions with people inside, `stopped` the channels that may not send.

        `whole`: nothing that is live was left out of it because this process cannot compile it. `folding`: every process
        that works here keeps folds.
        """
        self.epoch = epoch
        self.settings = settings or ProjectSettings()
        self.journeys = {live.name: live for live in journeys}
        self.audiences = {audience.name: audience for audience in audiences}
        self.traits = {trait.name: trait for trait in traits}
        self.stopped = stopped
        self.law = law
        self.whole, self._folding = whole, folding
        self._versions: dict[tuple[str, int], Journey] = dict(pinned or {})
        self._versions.update({(live.name, live.version): live.journey for live in self.journeys.values()})

    def version(self, journey: str, version: int) -> Journey:
        """Return the version a run is pinned to.

        Raises:
            StaleDefinitionError: it is not in this catalog.
        """
        try:
            return self._versions[journey, version]
        except KeyError:
            raise StaleDefinitionError(f"{journey} version {version} is not published here") from None

    def has_version(self, journey: str, version: int) -> bool:
        """Return whether `version` would find it."""
        return (journey, version) in self._versions

    def outlives_its_run(self, journey: str, version: int, step: str) -> bool:
        """Return whether a step is one of `on_exit`: what it asks for is wanted although the run has ended."""
        known = self._versions.get((journey, version))
        node = None if known is None else known.program.by_id.get(step)
        return node is not None and node.path.startswith("on_exit.")

    def stops(self, channel: str) -> bool:
        """Return whether an operator stopped this channel, or everything."""
        return "*" in self.stopped or channel in self.stopped

    def is_paused(self, journey: str) -> bool:
        """Return whether the journey stands still."""
        live = self.journeys.get(journey)
        return live is not None and live.state is JourneyState.PAUSED

    def stands_still(self, run: Run) -> bool:
        """Return whether a run must not move: its journey is paused, or its version does not compile in this process."""
        return self.is_paused(run.journey) or not self.has_version(run.journey, run.version)

    def triggered_by(self, event: str) -> list[LiveJourney]:
        """Return the journeys whose trigger names this event, in the order of their names."""
        exact = self._triggers.get(event, [])
        prefixed = [live for prefix, live in self._prefix_triggers if event.startswith(prefix)]
        return sorted({live.name: live for live in (*exact, *prefixed)}.values(), key=lambda live: live.name)

    @cached_property
    def _triggers(self) -> dict[str, list[LiveJourney]]:
        index: dict[str, list[LiveJourney]] = {}
        for live in self.journeys.values():
            for name in live.journey.trigger.event or ():
                if not name.endswith("*"):
                    index.setdefault(name, []).append(live)
        return index

    @cached_property
    def _prefix_triggers(self) -> list[tuple[str, LiveJourney]]:
        return [
            (name[:-1], live)
            for live in self.journeys.values()
            for name in live.journey.trigger.event or ()
            if name.endswith("*")
        ]

    @cached_property
    def audience_triggers(self) -> dict[tuple[str, bool], list[LiveJourney]]:
        """Journeys by (audience, entered?)."""
        index: dict[tuple[str, bool], list[LiveJourney]] = {}
        for live in sorted(self.journeys.values(), key=lambda live: live.name):
            trigger = live.journey.trigger.audience
            if trigger is not None:
                key = (trigger.entered or trigger.left or "", trigger.entered is not None)
                index.setdefault(key, []).append(live)
        return index

    @cached_property
    def trait_triggers(self) -> dict[str, list[LiveJourney]]:
        """Journeys by the trait whose change starts them."""
        return self._by(lambda trigger: None if trigger.trait is None else trigger.trait.changed)

    @cached_property
    def inbound_triggers(self) -> dict[str, list[LiveJourney]]:
        """Journeys that an inbound text starts, by the event as which it is written."""
        return self._by(lambda trigger: None if trigger.inbound is None else trigger.inbound.event)

    @cached_property
    def signal_triggers(self) -> dict[str, list[LiveJourney]]:
        """Journeys by the signal that starts them."""
        return self._by(lambda trigger: trigger.signal)

    @cached_property
    def personal_clocks(self) -> dict[str, LiveJourney]:
        """Journeys that start by a clock of each person's own: dates, and schedules in the zone of the person."""
        return {
            live.name: live
            for live in self.journeys.values()
            if live.journey.trigger.date is not None
            or (live.journey.trigger.schedule is not None and live.journey.trigger.schedule.per_person)
        }

    def _by(self, name_of: Callable[[Trigger], str | None]) -> dict[str, list[LiveJourney]]:
        index: dict[str, list[LiveJourney]] = {}
        for live in sorted(self.journeys.values(), key=lambda live: live.name):
            name = name_of(live.journey.trigger)
            if name:
                index.setdefault(name, []).append(live)
        return index

    @cached_property
    def rules(self) -> list[Audience]:
        """Audiences with a rule, those that others read first."""
        return [rule for rule in self.followed if isinstance(rule, Audience)]

    @cached_property
    def followed(self) -> list[ComputedTrait | Audience]:
        """Computed traits and audiences with a rule, those that others read first: one pass settles all of them."""
        everything: dict[str, ComputedTrait | Audience] = {
            **{f"audience {name}": self.audiences[name] for name in sorted(self.audiences)},
            **{f"trait {name}": self.traits[name] for name in sorted(self.traits)},
        }
        done: dict[str, ComputedTrait | Audience] = {}

        def visit(name: str, seen: frozenset[str]) -> None:
            rule = everything.get(name)
            expression = (
                rule.value if isinstance(rule, ComputedTrait) else None if rule is None else rule.where
            )
            if rule is None or expression is None or name in done or name in seen:
                return
            reads = expression.reads
            for read in sorted(
                {f"audience {read}" for read in reads.audiences}
                | {f"trait {read}" for read in reads.traits | reads.changed_at}
            ):
                visit(read, seen | {name})
            done[name] = rule

        for name in everything:
            visit(name, frozenset())
        return list(done.values())

    @cached_property
    def history_reads(self) -> dict[str, timedelta | None]:
        """Every event name (or `Prefix*`) that any expression counts, with the oldest age that can matter; without what
        is told by `foldables` alone, and what only counts since a run was entered (`entered_reads`)."""
        reads: dict[str, timedelta | None] = {}
        for expression in self._expressions():
            for read in expression.reads.events:
                if read.entered or (read.folded and self._folding):
                    continue
                if read.name not in reads:
                    reads[read.name] = read.within
                else:
                    known = reads[read.name]
                    reads[read.name] = (
                        None if known is None or read.within is None else max(known, read.within)
                    )
        return reads

    @cached_property
    def entered_reads(self) -> Mapping[str, frozenset[str]]:
        """By journey the event names (or `Prefix*`) that its runs look at from their own entry on, in any version."""
        found: dict[str, frozenset[str]] = {}
        for (name, _), journey in self._versions.items():
            names = {
                read.name
                for expression in compiled_in(journey)
                for read in expression.reads.events
                if read.entered
            }
            names.update(_waited_for_since_entry(journey))
            if names:
                found[name] = found.get(name, frozenset()) | names
        return found

    @cached_property
    def foldables(self) -> Mapping[str, Foldable]:
        """Every aggregate over the whole history that is told by a state, by its key; none where folds are not kept."""
        if not self._folding:
            return {}
        found = {fold.key: fold for expression in self._expressions() for fold in expression.reads.folds}
        return dict(sorted(found.items()))

    def _expressions(self) -> Iterable[Expression | Text]:
        for audience in self.rules:
            assert audience.where is not None
            yield audience.where
        for trait in self.traits.values():
            yield trait.value
        for journey in self._versions.values():
            yield from compiled_in(journey)

    def judged_later(self, starting: Collection[str] | None) -> frozenset[str]:
        """Return the names that `exit_when` and `goal` listen to: looked at when a run starts from a late fact.

        Only of journeys that one of the events `starting` may start, or something that is no event (none given: of all):
        a fact must not cost more for journeys that do not listen to it.
        """
        found = self._judged_later_always
        if starting is None:
            return found.union(*(_judged_later(live.journey) for live in self.journeys.values()))
        named = (live for event in starting for live in self.triggered_by(event))
        return found.union(*(_judged_later(live.journey) for live in named))

    @cached_property
    def _judged_later_always(self) -> frozenset[str]:
        others = (live.journey for live in self.journeys.values() if not live.journey.trigger.event)
        return frozenset().union(*(_judged_later(journey) for journey in others))

    @cached_property
    def counts_entries(self) -> frozenset[str]:
        """Journeys whose past entries decide something: re-entry, or a split that is not sticky."""
        return frozenset(
            live.name
            for live in self.journeys.values()
            if live.journey.reentry.every != timedelta(0)
            or any(
                isinstance(node.step, Split) and not node.step.split.sticky
                for node in live.journey.program.nodes.values()
            )
        )

    @cached_property
    def reads_consent(self) -> bool:
        """Whether any expression asks `subscribed(…)`, or a yes may have to be confirmed: then the last answer counts."""
        if any(topic.asks_twice for topic in self.settings.topics.values()):
            return True
        return any(expression.reads.subscriptions for expression in self._expressions()) or any(
            isinstance(node.step, Subscribe)
            for journey in self._versions.values()
            for node in journey.program.nodes.values()
        )


def _judged_later(journey: Journey) -> frozenset[str]:
    names = [name for rule in journey.exit_when for name in rule.event or ()]
    return frozenset([*names, *(journey.goal.event if journey.goal else ())])


def _waited_for_since_entry(journey: Journey) -> Iterator[str]:
    for node in journey.program.nodes.values():
        if isinstance(node.step, WaitFor) and node.step.wait_for.since == "entry":
            for branch in node.step.wait_for.branches:
                yield from branch.event or ()


def compiled_in(form: object) -> Iterator[Expression | Text]:
    """Yield every expression and text of a form, at any depth."""
    if isinstance(form, Expression | Text):
        yield form
    elif isinstance(form, BaseModel):
        for name in type(form).model_fields:
            yield from compiled_in(getattr(form, name))
    elif isinstance(form, dict):
        for value in form.values():
            yield from compiled_in(value)
    elif isinstance(form, list | tuple):
        for value in form:
            yield from compiled_in(value)
