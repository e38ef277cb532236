"""Mermaid text of a journey: a diagram that lives in a pull request or a wiki page."""

from collections.abc import Sequence
from itertools import count

from engage.domain.journey import Journey
from engage.project.graph import Card, Item, flow_of

_CHANNELS = frozenset({"email", "sms", "mms", "whatsapp", "voice", "chat"})


def journey_mermaid(journey: Journey) -> str:
    """Return the flowchart of a journey; the same journey gives the same text."""
    flow = flow_of(journey)
    chart = _Chart()
    details = "<br/>".join(map(_escaped, (*flow.trigger.details, *flow.entry)))
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

    def __init__(self) -> None:
        self.lines: list[str] = []
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
        name = self.node(_shape(item.card))
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


def _shape(card: Card) -> str:
    verb = f"{card.verb}: " if card.verb in _CHANNELS else ""
    lines = "<br/>".join(map(_escaped, (f"{verb}{card.title}", *card.details)))
    match card.verb:
        case "branch" | "split":
            return f'{{"{_escaped(card.id or card.title)}"}}'
        case "exit":
            return f'(["{_escaped(card.details[0] if card.details else "exit")}"])'
        case "wait" | "wait_until" | "wait_for":
            return f'[/"{lines}"/]'
        case _:
            return f'["{lines}"]'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
