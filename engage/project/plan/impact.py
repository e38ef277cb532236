"""Impact: what publishing would mean for the people inside journeys and those about to enter. Pure."""

from collections.abc import Iterable, Mapping

from engage.domain.delivery.delivery import Channel
from engage.domain.journey.journey import Journey
from engage.domain.steps.base import Node, Step
from engage.domain.steps.flow import Repeat
from engage.domain.steps.reach import Reach
from engage.domain.steps.send import Send, SendForm
from engage.project.template_files import TemplateSource


def unsupplied(
    versions: Iterable[tuple[str, int, Journey]], templates: Mapping[str, TemplateSource]
) -> list[str]:
    """Return what keeps templates from being published: versions with people inside that do not give what is required."""
    found: list[str] = []
    for name, version, journey in versions:
        for node in journey.program.walk():
            for _, form in sends_of(node.step):
                name_sent = form.template.constant if form.template is not None else None
                template = templates.get(name_sent or "")
                missing = set() if template is None else required(template) - set(form.with_)
                found.extend(
                    f"template `{name_sent}` requires `with.{variable}`, which step `{node.id}` of `{name}` version "
                    f"{version} does not give, and people are inside it"
                    for variable in sorted(missing)
                )
    return found


def sends_of(step: Step) -> list[tuple[Channel, SendForm]]:
    """Return the messages a step may ask for."""
    if isinstance(step, Send):
        return [(step.channel, step.form)]
    return step.reach.sends() if isinstance(step, Reach) else []


def required(template: TemplateSource) -> set[str]:
    """Return the names under `with` that a template cannot do without."""
    names: set[str] = set()
    for file, content in template.files.items():
        if file.startswith("meta") and isinstance(content, dict):
            for name in content.get("required", ()) or ():
                home, dot, rest = str(name).partition(".")
                if not dot or home == "with":
                    names.add(rest if dot else home)
    return names


def sends_ahead(journey: Journey) -> dict[str, int]:
    """Return the most messages per channel that one person may get on any way through a journey; loops at their most."""
    return _most(journey.program.first, {})


def _most(node: Node | None, known: dict[str, dict[str, int]]) -> dict[str, int]:
    if node is None:
        return {}
    if node.path in known:
        return known[node.path]
    known[node.path] = {}  # a loop leads back here: its turns are counted below
    step = node.step
    ways = [_most(following, known) for following in node.blocks.values()]
    if step.loops():
        times = step.repeat.times if isinstance(step, Repeat) else 1
        turn = _larger(ways)
        total = _sum(_most(node.after, known), {channel: count * times for channel, count in turn.items()})
    else:
        goes_on = step.verb != "exit"
        total = _larger([*ways, *([_most(node.after, known)] if goes_on else [])])
        for channel, _ in sends_of(step):
            total = _sum(total, {str(channel): 1})
    known[node.path] = total
    return total


def _larger(ways: Iterable[Mapping[str, int]]) -> dict[str, int]:
    most: dict[str, int] = {}
    for way in ways:
        for channel, count in way.items():
            most[channel] = max(most.get(channel, 0), count)
    return most


def _sum(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {channel: a.get(channel, 0) + b.get(channel, 0) for channel in {**a, **b}}
