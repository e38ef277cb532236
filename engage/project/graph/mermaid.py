"""Mermaid text of a journey: a diagram that lives in a pull request or a wiki page."""

from collections.abc import Sequence
from itertools import count

from engage.domain.journey.journey import Journey
from engage.project.graph.tree import Card, GraphNumbers, Item, flow_of

_CHANNELS = frozenset({"email", "sms", "mms", "whatsapp", "voice", "chat"})


def journey_mermaid(journey: Journey, numbers: GraphNumbers | None = None) -> str:
    """Return the flowchart of a journey; the same journey, with the same numbers, gives the same text."""
    flow = flow_of(journey)
    chart = _Chart(numbers)
    details = "<br/>".join(map(_escaped, (*flow.trigger.details, *flow.entry, *_totals(numbers))))
    start = chart.node(f'(["<b>{_escaped(flow.trigger.title)}</b>{"<br/>" + details if details else ""}"])')
    loose = chart.sequence(flow.items, [(start, "")])
    if loose:
        chart.join(loose, chart.node('(["completed"])'))
    if flow.on_exit:
        left = chart.node('(["left early"])')
        chart.sequence(flow.on_exit, [(left, "")])
    return "\n".join(("flowchart TD", *(f"  {line}" for line in chart.lines), ""))


class _Chart:
    """Collects nodes and arrows."""

    def __init__(self, numbers: GraphNumbers | None) -> None:
        self.lines: list[str] = []
        self._live = numbers
        self._numbers = count()

    def node(self, shape: str) -> str:
        name = f"n{next(self._numbers)}"
        self.lines.append(f"{name}{shape}")
        return name

    def join(self, loose: Sequence[tuple[str, str]], target: str) -> None:
        for source, label in loose:
            self.lines.append(
                f'{source} -->|"{_escaped(label)}"| {target}' if label else f"{source} --> {target}"
            )

    def sequence(self, items: Sequence[Item], loose: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Draw items after the loose ends; return the ends that are loose then."""
        for item in items:
            if not loose:
                break
            loose = self._item(item, loose)
        return loose

    def _item(self, item: Item, loose: list[tuple[str, str]]) -> list[tuple[str, str]]:
        name = self.node(_shape(item.card, _count(self._live, item.card)))
        self.join(loose, name)
        if item.card.verb == "exit":
            return []
        if item.loop:
            self.join(self.sequence(item.loop, [(name, "again")]), name)
            return [(name, "done")]
        if not item.ways:
            return [(name, "")]
        ends: list[tuple[str, str]] = []
        for way in item.ways:
            ends += self.sequence(way.items, [(name, way.label)])
        return ends


def _totals(numbers: GraphNumbers | None) -> Sequence[str]:
    if numbers is None:
        return ()
    goals = (f"{numbers.goals:,} reached the goal",) if numbers.goals else ()
    return (f"{numbers.entered:,} entered", f"{numbers.inside:,} inside now", *goals)


def _count(numbers: GraphNumbers | None, card: Card) -> Sequence[str]:
    """How many came to a step and stand there, as one line."""
    count = None if numbers is None else numbers.steps.get(card.path)
    if count is None:
        return ()
    came = (f"{count.entered:,} came",) if count.entered else ()
    here = (f"{count.waiting:,} here",) if count.waiting else ()
    return (" · ".join((*came, *here)),) if came or here else ()


def _shape(card: Card, count: Sequence[str]) -> str:
    verb = f"{card.verb}: " if card.verb in _CHANNELS else ""
    lines = "<br/>".join(map(_escaped, (f"{verb}{card.title}", *card.details, *count)))
    match card.verb:
        case "branch" | "split":
            return f'{{"{"<br/>".join(map(_escaped, (card.id or card.title, *count)))}"}}'
        case "exit":
            told = (card.details[0] if card.details else "exit", *count)
            return f'(["{"<br/>".join(map(_escaped, told))}"])'
        case "wait" | "wait_until" | "wait_for":
            return f'[/"{lines}"/]'
        case _:
            return f'["{lines}"]'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
