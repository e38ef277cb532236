"""Plan words: a plan as a person reads it before saying yes."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from engage.cli.plan.planning import People, Plan, PlannedChange
from engage.project.plan.steps import Edit, Part

_SIGNS = {Edit.ADDED: "+", Edit.CHANGED: "~", Edit.MOVED: ">", Edit.REMOVED: "-"}
_COLOURS = {Edit.ADDED: "green", Edit.CHANGED: "yellow", Edit.MOVED: "cyan", Edit.REMOVED: "red"}
WIDTH = 70


def lines_of(plan: Plan) -> Iterator[tuple[str, str | None]]:
    """Yield the lines of a plan, each with its colour."""
    if not plan.changes:
        yield f"nothing would change: what is live (epoch {plan.epoch}) means the same", None
    for planned in plan.changes:
        yield from _change(planned, plan.currency)
    total: dict[str, int] = {}
    costs = [planned.people.cost_ahead for planned in plan.changes if planned.people.cost_ahead is not None]
    for planned in plan.changes:
        for channel, count in planned.people.sends_ahead.items():
            total[channel] = total.get(channel, 0) + count
    if total:
        cost = sum(costs, Decimal(0)) if costs else None
        yield f"sends ahead to those who enter at once: {_most(total, cost, plan.currency)}", None
    for blocker in plan.blockers:
        yield f"cannot be published: {blocker}", "red"


def _most(sends: Mapping[str, int], cost: Decimal | None, currency: str) -> str:
    told = ", ".join(f"{count:,} {channel}" for channel, count in sorted(sends.items()))
    return f"at most {told}" + (f", {cost:,.2f} {currency}" if cost is not None else "")


def _change(planned: PlannedChange, currency: str) -> Iterator[tuple[str, str | None]]:
    change = planned.change
    version = ""
    if planned.version is not None and planned.next_version is not None:
        version = f"  version {planned.version} → {planned.next_version}"
    elif planned.version is not None:
        version = f"  version {planned.version}"
    state = f"  ({planned.state})" if planned.state in ("paused", "archived") else ""
    name = change.kind if change.kind == change.name else f"{change.kind} {change.name}"
    yield f"{_SIGNS[change.edit]} {name}{version}{state}", _COLOURS[change.edit]
    for part in change.parts:
        yield f"    {_part(part, planned.people.waiting.get(part.part, 0))}", _COLOURS[part.edit]
    for line in _people(planned.people, currency, removed=change.edit is Edit.REMOVED):
        yield f"      {line}", None


def _part(part: Part, waiting: int) -> str:
    match part.edit:
        case Edit.ADDED:
            told = brief(part.after or "")
        case Edit.REMOVED:
            told = brief(part.before or "")
        case _:
            told = f"{brief(part.before or 'none')} → {brief(part.after or 'none')}"
    here = f"   [{waiting:,} wait here and go on by their version]" if waiting else ""
    return (
        f"{_SIGNS[part.edit]} {part.part}: {told}{here}" if told else f"{_SIGNS[part.edit]} {part.part}{here}"
    )


def _people(people: People, currency: str, *, removed: bool) -> Iterator[str]:
    about = "" if people.exact else "about "
    if people.inside:
        told = ", ".join(f"{count:,} inside version {version}" for version, count in people.inside.items())
        yield f"{told}: they finish it" + ("; nobody enters any more" if removed else "")
    for move in people.moving:
        where = "leave" if move.to == "exit" else f"move to `{move.to}`"
        yield f"{move.people:,} at `{move.step}` of version {move.version} {where}"
    if people.matching is not None:
        yield f"{about}{people.matching:,} people would be in it"
    if people.entering is not None:
        yield f"{about}{people.entering:,} people would enter at once (`existing: include`)"
    if people.lately is not None and people.lately.sends:
        forecast = _most(people.lately.sends, people.lately.cost, currency)
        yield f"{people.lately.entered:,} entered in the last 30 days: as many more would get {forecast}"
    if people.expected is not None:
        told = _most(people.expected.sends, people.expected.cost, currency) if people.expected.sends else ""
        yield (
            f"{people.expected.entered:,} people did what starts it in the last 30 days: as many would enter at most"
            + (f", and get {told}" if told else "")
        )
    if people.unknown is not None:
        yield f"how many will enter is not known: {people.unknown}"


def brief(text: str) -> str:
    """Return a text short enough for its line."""
    return text if len(text) <= WIDTH else text[: WIDTH - 1].rstrip() + "…"
