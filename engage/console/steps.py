"""Steps: the steps of a journey as rows of a table, with how many people came by and who waits there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engage.console.words import channel_word, duration_text
from engage.domain.catalog import Catalog
from engage.domain.journey import Journey
from engage.domain.steps.base import Node, Step
from engage.domain.steps.flow import Exit
from engage.domain.steps.send import Send
from engage.domain.steps.wait_for import WaitFor
from engage.domain.steps.waiting import Wait
from engage.ports.reading import StepNumbers


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRow:
    """One step, indented by how deep it stands."""

    id: str
    depth: int
    verb: str
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
        sum_ = found.setdefault(name, StepNumbers(version=step.version, step=name))
        sum_.entered += step.entered
        sum_.waiting += step.waiting
    for numbers in found.values():
        numbers.entered = max(numbers.entered, numbers.waiting)
    return found


def step_rows(journey: Journey, numbers: Mapping[str, StepNumbers]) -> list[StepRow]:
    """Return the steps in the order of the file."""
    nodes = journey.program.nodes
    return [
        StepRow(
            id=node.id,
            depth=_depth(node.path, nodes),
            verb=node.step.verb,
            words=_words(node.step),
            numbers=numbers.get(node.id),
        )
        for node in sorted(nodes.values(), key=lambda node: _place(node.path))
    ]


def _place(path: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in path.split("."))


def _depth(path: str, nodes: Mapping[str, Node]) -> int:
    parts = path.split(".")
    return sum(".".join(parts[:end]) in nodes for end in range(1, len(parts)))


def _words(step: Step) -> str:
    match step:
        case Send():
            return f"{channel_word(step.channel)} {step.form.template or 'text'}"
        case Wait():
            return (
                duration_text(step.wait) if not hasattr(step.wait, "source") else "as long as the data says"
            )
        case WaitFor():
            return _awaited(step)
        case Exit():
            return step.exit or ""
        case _:
            return ""


def _awaited(step: WaitFor) -> str:
    things: list[str] = []
    for branch in step.wait_for.branches:
        if branch.event is not None:
            things.append(" or ".join(branch.event))
        elif branch.step is not None:
            things.append(f"{branch.step} {branch.status}")
        else:
            things.append("a condition")
    limit = step.wait_for.timeout
    return " or ".join(things) + ("" if limit is None else f", {duration_text(limit)} at most")
