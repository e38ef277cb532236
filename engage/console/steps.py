"""Steps: the steps of a journey, as rows of a table and as a picture, with how many people came by and wait there."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from engage.domain.catalog import Catalog
from engage.domain.decision import Decision
from engage.domain.ids import RunId
from engage.domain.journey.journey import Journey
from engage.domain.journey.run import Run
from engage.domain.steps.base import Node
from engage.domain.steps.send import Send
from engage.ports.reading import JourneyNumbers, StepNumbers
from engage.project.graph.svg import journey_svg
from engage.project.graph.tree import GraphNumbers, StepCount
from engage.project.words.steps import step_words


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRow:
    """One step, indented by how deep it stands."""

    id: str
    depth: int
    verb: str
    """Where the words do not say it already."""
    words: str
    numbers: StepNumbers | None


def numbers_by_step(catalog: Catalog, journey: str, funnel: Iterable[StepNumbers]) -> dict[str, StepNumbers]:
    """Return the numbers of all versions together by a step's id; storage knows a waiting run by its position."""
    found: dict[str, StepNumbers] = {}
    for step in funnel:
        name = step.step
        if catalog.has_version(journey, step.version):
            node = catalog.version(journey, step.version).program.nodes.get(step.step)
            name = step.step if node is None else node.id
        together = found.setdefault(name, StepNumbers(version=step.version, step=name))
        together.entered += step.entered
        together.waiting += step.waiting
    for numbers in found.values():
        numbers.entered = max(numbers.entered, numbers.waiting)
    return found


def nodes_of(catalog: Catalog, runs: Iterable[Run]) -> Callable[[Decision], Node | None]:
    """Return how to find the step a decision is about: in its run's version where that is known, else in the live one."""
    versions = {run.id: run.version for run in runs}

    def node_of(decision: Decision) -> Node | None:
        name, version = decision.journey or "", versions.get(decision.run or RunId(""))
        if version is not None and catalog.has_version(name, version):
            return catalog.version(name, version).program.by_id.get(decision.step or "")
        live = catalog.journeys.get(name)
        return None if live is None else live.journey.program.by_id.get(decision.step or "")

    return node_of


def step_rows(journey: Journey, numbers: Mapping[str, StepNumbers]) -> list[StepRow]:
    """Return the steps in the order of the file."""
    nodes = journey.program.nodes
    return [
        StepRow(
            id=node.id,
            depth=_depth(node.path, nodes),
            verb=node.step.verb if isinstance(node.step, Send) else "",
            words=step_words(node.step).line,
            numbers=numbers.get(node.id),
        )
        for node in sorted(nodes.values(), key=lambda node: _place(node.path))
    ]


def drawn(journey: Journey, numbers: JourneyNumbers, by_step: Mapping[str, StepNumbers]) -> str:
    """Return the journey's picture with its numbers, as SVG."""
    active = sum(numbers.active.values())
    live = GraphNumbers(
        entered=active + sum(numbers.ended.values()),
        inside=active,
        goals=numbers.goals,
        ended=numbers.ended,
        steps={node.path: _count(node, by_step) for node in journey.program.nodes.values()},
    )
    return journey_svg(journey, live)


def _count(node: Node, by_step: Mapping[str, StepNumbers]) -> StepCount:
    known = by_step.get(node.id)
    if known is not None:
        return StepCount(entered=known.entered, waiting=known.waiting)
    # Whoever passes a send is counted; other steps are known by who waits there.
    return StepCount(entered=0 if isinstance(node.step, Send) else None)


def _place(path: str) -> tuple[tuple[bool, int, str], ...]:
    return tuple((False, int(part), "") if part.isdigit() else (True, 0, part) for part in path.split("."))


def _depth(path: str, nodes: Mapping[str, Node]) -> int:
    parts = path.split(".")
    return sum(".".join(parts[:end]) in nodes for end in range(1, len(parts)))
