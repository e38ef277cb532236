"""Explain: the answer to "why" about one person, as a tree of what was decided, on which values, by which rule. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from engage.domain.decision import Decision
from engage.domain.fact import Json
from engage.domain.ids import DeliveryId, RunId
from engage.domain.journey.journey import Journey
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event
from engage.domain.steps.base import Step
from engage.engine.explain.words import Words, run_words, spaced, waiting_words
from engage.ports.reading import DeliverySeen

HIDDEN = "•••"


class Told(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of the answer, and what belongs below it."""

    at: datetime
    kind: str
    """`journey`, `entry`, `step`, `send`, `receipt`, `exit`, `goal`, `standing`, or what a decision is about."""
    text: str
    journey: str | None = None
    step: str | None = None
    outcome: str | None = None
    reason: str | None = None
    rule: str | None = None
    values: Json = {}
    delivery: DeliveryId | None = None
    below: "list[Told]" = []


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """What storage keeps about one person."""

    decisions: Sequence[Decision]
    """In the order of deciding: several may have been made at one instant."""
    runs: Sequence[Run]
    deliveries: Sequence[DeliverySeen]
    events: Sequence[Event] = ()
    version_of: Callable[[str, int], Journey | None]
    """The journey of a run's version, as far as it is still known."""
    sensitive: Sequence[str] = ()
    """`settings.sensitive`: these values are not shown."""
    step_line: Callable[[Step], str] = lambda step: step.verb
    """What a step does, in a few words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What is asked."""

    journey: str | None = None
    message: str | None = None
    """A delivery, or an event by its message id."""
    until: datetime | None = None
    """Only what was known then."""


def explain(history: History, about: About = About()) -> list[Told]:
    """Return every decision about a person, runs as branches, in order of time."""
    teller = _Teller(history, about)
    found = [*teller.runs(), *teller.loose()]
    if about.message is not None:
        found = list(_with_message(history, about.message, found))
    return sorted(found, key=lambda told: told.at)


class _Teller:
    def __init__(self, history: History, about: About) -> None:
        self._history, self._about = history, about
        self._hidden = _hidden_names(history.sensitive)
        self._deliveries = {seen.delivery.id: seen for seen in history.deliveries}
        self._decisions = sorted(
            (decision for decision in history.decisions if self._known(decision.at)),
            key=lambda decision: decision.at,
        )

    def _known(self, at: datetime) -> bool:
        return self._about.until is None or at <= self._about.until

    def _wanted(self, journey: str | None) -> bool:
        return self._about.journey is None or journey == self._about.journey

    def runs(self) -> Iterator[Told]:
        """Yield one branch a run."""
        by_run: dict[RunId, list[Decision]] = {}
        for decision in self._decisions:
            if decision.run is not None:
                by_run.setdefault(decision.run, []).append(decision)
        known = {run.id: run for run in self._history.runs if self._known(run.entered_at)}
        for run_id in dict.fromkeys([*by_run, *known]):
            run, decisions = known.get(run_id), by_run.get(run_id, [])
            journey = run.journey if run is not None else decisions[0].journey
            if self._wanted(journey):
                yield self._run(run, journey or "?", decisions)

    def _run(self, run: Run | None, journey: str, decisions: Sequence[Decision]) -> Told:
        form = None if run is None else self._history.version_of(run.journey, run.version)
        below: list[Told] = []
        told: set[DeliveryId] = set()
        for decision in decisions:
            line = self._line(decision, form, run)
            if decision.delivery is not None and decision.delivery not in told:
                told.add(decision.delivery)
                line.below = list(self._receipts(decision.delivery))
            below.append(line)
        if run is not None:
            below += self._waiting_sends(run, told)
            below += self._standing(run, form)
        below.sort(key=lambda line: line.at)
        at = run.entered_at if run is not None else decisions[0].at
        return Told(at=at, kind="journey", text=run_words(run, journey), journey=journey, below=below)

    def loose(self) -> Iterator[Told]:
        """Yield what was decided outside a run: refused entries, audiences, consent, identity."""
        for decision in self._decisions:
            if decision.run is None and self._wanted(decision.journey):
                yield self._line(decision, None, None)

    def _line(self, decision: Decision, form: Journey | None, run: Run | None) -> Told:
        seen = None if decision.delivery is None else self._deliveries.get(decision.delivery)
        node = None if form is None else form.program.by_id.get(decision.step or "")
        line = None if node is None else self._history.step_line(node.step)
        return Told(
            at=decision.at,
            kind=str(decision.kind),
            text=Words(decision, node, line, seen, run).text,
            journey=decision.journey,
            step=_step_name(form, decision.step),
            outcome=decision.outcome,
            reason=decision.reason,
            rule=decision.rule,
            values=self._shown(decision.values),
            delivery=decision.delivery,
        )

    def _shown(self, values: Mapping[str, Any]) -> Json:
        return {
            name: HIDDEN
            if any(name == hidden or name.startswith(f"{hidden}.") for hidden in self._hidden)
            else value
            for name, value in values.items()
        }

    def _receipts(self, delivery: DeliveryId) -> Iterator[Told]:
        seen = self._deliveries.get(delivery)
        for receipt in () if seen is None else seen.receipts:
            if self._known(receipt.at):
                code = f", code {receipt.code}" if receipt.code else ""
                by = f" (told by {receipt.provider})" if receipt.provider else ""
                yield Told(
                    at=receipt.at,
                    kind="receipt",
                    text=f"{spaced(receipt.mark)}{code}{by}",
                    outcome=str(receipt.mark),
                    values=dict(receipt.data),
                    delivery=delivery,
                )

    def _waiting_sends(self, run: Run, told: set[DeliveryId]) -> Iterator[Told]:
        """Yield the deliveries of a run that nothing was decided about yet: they wait, or are under way."""
        for seen in self._deliveries.values():
            delivery = seen.delivery
            if delivery.run != run.id or delivery.id in told or not self._known(delivery.asked_at):
                continue
            yield Told(
                at=delivery.asked_at,
                kind="send",
                text=waiting_words(delivery),
                journey=run.journey,
                step=delivery.step,
                outcome=str(delivery.status),
                reason=delivery.reason,
                rule=delivery.rule,
                delivery=delivery.id,
                below=list(self._receipts(delivery.id)),
            )

    def _standing(self, run: Run, form: Journey | None) -> Iterator[Told]:
        if not run.active or run.step is None or self._about.until is not None:
            return
        name = _step_name(form, run.step)
        node = None if form is None else form.program.nodes.get(run.step)
        what = "" if node is None else f": {self._history.step_line(node.step)}"
        until = "" if run.due_at is None else f", until {run.due_at.isoformat()}"
        yield Told(
            at=run.arrived_at or run.entered_at,
            kind="standing",
            text=f"is here now{what}{until}",
            journey=run.journey,
            step=name,
            outcome="waiting",
        )


def _hidden_names(sensitive: Iterable[str]) -> set[str]:
    """Return the names under which sensitive values may be seen: an event's property is also `entry` or `event` of a run."""
    names: set[str] = set()
    for rule in sensitive:
        home, _, name = rule.rpartition(".")
        names |= {rule} if home == "profile" else {f"event.{name}", f"entry.{name}"}
    return names


def _step_name(form: Journey | None, step: str | None) -> str | None:
    if step is None or form is None:
        return step
    node = form.program.nodes.get(step)
    return step if node is None else node.id


# --- one message


def _with_message(history: History, message: str, found: Iterable[Told]) -> Iterator[Told]:
    """Keep what is about one delivery, or what followed from one event; an event nobody listened to says so."""
    event = next((event for event in history.events if event.id == message), None)
    if event is None:
        for told in found:
            last = max((n for n, line in enumerate(told.below) if line.delivery == message), default=None)
            if last is not None:
                yield msgspec.structs.replace(told, below=_way_to(told.below[: last + 1], message))
            elif told.delivery == message:
                yield told
        return
    started = {run.id: run for run in history.runs if run.started_by == message}
    entered = {(run.journey, run.entered_at) for run in started.values()}
    something = False
    for told in found:
        if told.kind == "journey" and (told.journey, told.at) in entered:
            something = True
            yield told
            continue
        below = [line for line in told.below if line.at == event.received_at]
        if below or (told.kind != "journey" and told.at == event.received_at):
            something = True
            yield msgspec.structs.replace(told, below=below)
    if not something:
        yield Told(
            at=event.received_at,
            kind="event",
            text=f"{event.name}: nothing listened to it (epoch {event.epoch})",
            outcome="nothing_listened",
        )


def _way_to(lines: Sequence[Told], message: str) -> list[Told]:
    """Return what led to a message: entry, branches and waits before it; of other messages only that they were sent."""
    return [
        line if line.delivery in (None, message) else msgspec.structs.replace(line, below=[])
        for line in lines
    ]
