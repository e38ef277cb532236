"""Steps compared: which were added, removed, changed or moved between two versions of a journey. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

import msgspec
from pydantic import BaseModel

from engage.domain.journey.journey import Journey
from engage.domain.steps.base import Node, Step
from engage.project.plan.meaning import plain
from engage.project.proofs.outline import CHANNELS
from engage.project.words.steps import step_words


class Edit(StrEnum):
    """What happens to a definition, or to a part of one."""

    ADDED = "added"
    CHANGED = "changed"
    MOVED = "moved"
    REMOVED = "removed"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a definition that changes: a key of its file, a step, a file of a template."""

    part: str
    """`trigger`, `entry` …; `step nudge` or `step 3` (its written id, else its path); `sms.txt`."""
    edit: Edit
    before: str | None = None
    after: str | None = None
    step: str | None = None
    """Path of the step in the live version, where there is one: people may wait there."""


def step_parts(before: Journey, after: Journey) -> list[Part]:
    """Return the steps that were added, removed, changed or moved; steps are matched by written id, else by likeness."""
    old, new = list(before.program.walk()), list(after.program.walk())
    pairs = _matched(old, new)
    new_of = {a.path: b for a, b in pairs}
    matched = {b.path for _, b in pairs}
    where_old, where_new = _homes(old), _homes(new)
    found = [
        Part(part=_name(node), edit=Edit.ADDED, after=_told(node.step))
        for node in new
        if node.path not in matched
    ]
    for node in old:
        there = new_of.get(node.path)
        if there is None:
            found.append(Part(part=_name(node), edit=Edit.REMOVED, before=_told(node.step), step=node.path))
        elif own(node.step) != own(there.step):
            was, will_be = _difference(node.step, there.step)
            found.append(
                Part(part=_name(there), edit=Edit.CHANGED, before=was, after=will_be, step=node.path)
            )
        elif where_old[node.path] != where_new[there.path]:
            words = (where_old[node.path] or "the journey", where_new[there.path] or "the journey")
            found.append(
                Part(
                    part=_name(there),
                    edit=Edit.MOVED,
                    before=f"in {words[0]}",
                    after=f"in {words[1]}",
                    step=node.path,
                )
            )
    return found


def _difference(old: Step, new: Step) -> tuple[str, str]:
    """Return both steps in words; where these are the same, the first key that differs."""
    words = _told(old), _told(new)
    if words[0] != words[1]:
        return words
    before, after = _flat(own(old)), _flat(own(new))
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            return f"{key} {_brief(before.get(key))}", f"{key} {_brief(after.get(key))}"
    return words


def _flat(data: Any, key: str = "") -> dict[str, Any]:
    """Return the values of a tree by the last key above them that has a name."""
    if not isinstance(data, dict):
        return {key: data}
    found: dict[str, Any] = {}
    for name, value in data.items():
        found.update(_flat(value, str(name).rstrip("_")))
    return found


def _brief(value: Any) -> str:
    return (
        "none" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
    )


def own(step: Step) -> Any:
    """Return what a step means, as data; every list of steps below it is only `…`."""
    blocks = {id(block) for _, block in step.blocks()}
    return _shallow(step, blocks)


def _shallow(value: object, blocks: set[int]) -> Any:
    if id(value) in blocks:
        return "…"
    if isinstance(value, BaseModel):
        return {name: _shallow(getattr(value, name), blocks) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return [[str(key), _shallow(item, blocks)] for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [_shallow(item, blocks) for item in value]
    return plain(value)


def _matched(old: list[Node], new: list[Node]) -> list[tuple[Node, Node]]:
    by_id = {node.id: node for node in new if node.step.id is not None}
    pairs = [(node, by_id[node.id]) for node in old if node.step.id is not None and node.id in by_id]
    taken = {a.path for a, _ in pairs}, {b.path for _, b in pairs}
    left = (
        [node for node in old if node.path not in taken[0]],
        [node for node in new if node.path not in taken[1]],
    )
    return pairs + list(_by_likeness(*left))


def _by_likeness(old: list[Node], new: list[Node]) -> Iterator[tuple[Node, Node]]:
    """Pair steps without ids: equal ones in order, then equal ones anywhere, then those of one verb between the same two."""
    tokens = [_token(node.step) for node in old], [_token(node.step) for node in new]
    gaps: list[tuple[list[Node], list[Node]]] = []
    for code, a, b, c, d in SequenceMatcher(None, tokens[0], tokens[1], autojunk=False).get_opcodes():
        if code == "equal":
            yield from zip(old[a:b], new[c:d], strict=True)
        else:
            gaps.append((old[a:b], new[c:d]))
    elsewhere: dict[str, list[Node]] = {}
    for _, theirs in gaps:
        for node in theirs:
            elsewhere.setdefault(_token(node.step), []).append(node)
    moved: set[str] = set()
    for ours, _ in gaps:
        for node in list(ours):
            if waiting := elsewhere.get(_token(node.step)):
                there = waiting.pop(0)
                moved.add(there.path)
                ours.remove(node)
                yield node, there
    for ours, theirs in gaps:
        yield from _alike(ours, [node for node in theirs if node.path not in moved])


def _alike(old: list[Node], new: list[Node]) -> Iterator[tuple[Node, Node]]:
    """Pair steps of one verb in order: the same step, written differently."""
    rest = list(new)
    for node in old:
        there = next((other for other in rest if other.step.verb == node.step.verb), None)
        if there is not None:
            rest.remove(there)
            yield node, there


def _token(step: Step) -> str:
    likeness = {name: value for name, value in own(step).items() if name not in ("id", "note")}
    return msgspec.json.encode([step.verb, likeness], order="sorted").decode()


def _homes(nodes: Iterable[Node]) -> dict[str, str]:
    """Return the list each step stands in, by the name of the step that has it: positions shift, this does not."""
    names = {node.path: node.id if node.step.id is not None else node.step.verb for node in nodes}
    homes: dict[str, str] = {}
    for path in names:
        above = max((other for other in names if path.startswith(f"{other}.")), key=len, default="")
        block = path.removeprefix(f"{above}.").rpartition(".")[0] if above else path.rpartition(".")[0]
        homes[path] = f"{names[above]} {block}" if above else block
    return homes


def _name(node: Node) -> str:
    return f"step {node.id}"


def _told(step: Step) -> str:
    words = step_words(step).line
    return f"{step.verb} {words}" if step.verb in CHANNELS else words
