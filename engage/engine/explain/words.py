"""Words of an explanation: one sentence for each thing that was decided, as somebody in support would say it. Pure."""

from dataclasses import dataclass
from typing import Any

from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import Delivery, Mark
from engage.domain.journey.run import Run
from engage.domain.steps.base import Node
from engage.domain.steps.wait_for import WaitFor
from engage.ports.reading import DeliverySeen

_REFUSED = {
    "paused": "the journey was paused",
    "late": "the event was too old (`late_events`)",
    "no_key": "the event gave no key",
    "entry_where": "`entry.where` was false",
    "already_inside": "was inside already",
    "reentry": "may not enter again yet (`reentry`)",
    "mistake": "a mistake of ours kept it from being judged; the log has it",
    "no_such_journey": "there is no journey of that name that can be started",
}
_SKIPPED = {
    "sending_stopped": "an operator had stopped sending",
    "holdout": "held out of this journey, to measure what it is worth",
    "no_address": "no address for this channel is known",
    "suppressed": "the address must not be used any more: it bounced, complained or was suppressed",
    "unsubscribed": "said no to this topic on this channel",
    "not_opted_in": "never said yes to this topic on this channel, and the topic asks for a yes",
    "expired": "its time was over (`expires`)",
    "unknown_zone": "nobody knows where the person lives (`unknown_zone: skip`)",
    "law": "a rule of law forbids it",
    "quiet_hours": "it was the quiet hours",
    "capped": "enough was sent lately",
    "render_failed": "the template could not be rendered for this person",
}
_TAKEN_BACK = {
    "expired": "its time was over (`expires`) and nobody had answered",
    "hours_over": "the hours in which it may ring were over and nobody had answered",
}
_ENDED = {
    "completed": "went through to the end",
    "goal": "the goal was reached",
    "goal_late": "the goal was reached, too late to count",
    "archived": "the journey was archived",
    "merged": "the person turned out to be somebody who was inside already",
    "replaced": "a newer entry replaced this one (`while_inside: restart`)",
    "migrated": "the new version moved it out",
    "stale": "its timer fired too late (`stale_after`)",
    "loop_limit": "it went round in a circle",
    "failed": "it could not go on",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What is known about one decision."""

    decision: Decision
    node: Node | None
    step_line: str | None
    """What the step does."""
    seen: DeliverySeen | None
    run: Run | None

    @property
    def text(self) -> str:
        """The sentence."""
        decision = self.decision
        match decision.kind:
            case Decided.ENTRY:
                return self._entry()
            case Decided.STEP:
                return self._step()
            case Decided.SEND:
                return self._send()
            case Decided.EXIT:
                reason = decision.reason or ""
                return f"ended: {reason}" + (f" ({_ENDED[reason]})" if reason in _ENDED else "")
            case Decided.GOAL:
                return "reached the goal"
            case Decided.AUDIENCE:
                return f"{decision.outcome} audience {decision.values.get('audience', '')}".rstrip()
            case Decided.CONSENT:
                return self._consent()
            case Decided.EVENT if decision.reason == "mistake":
                return f"was not brought in line with what was published: a mistake of ours ({decision.rule}); the log has it"
            case _:
                why = f": {spaced(decision.reason)}" if decision.reason else ""
                return f"{decision.kind} {spaced(decision.outcome)}{why}"

    def _entry(self) -> str:
        decision = self.decision
        if decision.outcome != "entered":
            why = _REFUSED.get(decision.reason or "", spaced(decision.reason or ""))
            return f"did not enter {decision.journey}: {why}"
        by = f" by {self.run.entry_event}" if self.run is not None and self.run.entry_event else ""
        held = ", held out: gets nothing but what is transactional" if decision.reason == "holdout" else ""
        return f"entered{by}{held}"

    def _step(self) -> str:
        decision, values = self.decision, self.decision.values
        line = self.step_line or ""
        match decision.outcome:
            case "true" | "false" if "if" in values:
                return f"if {values['if']} → {decision.outcome}"
            case "waits":
                zone = f" ({values['zone']})" if values.get("zone") else ""
                return f"{line or 'waits'}: until {values.get('until')}{zone}"
            case "matched":
                return f"{line or 'what it waited for'} → {self._branch()}"
            case "timeout":
                return f"{line or 'waited'} → nothing came in time"
            case "emitted":
                return f"emitted {values.get('event', '')}".rstrip()
            case _:
                why = f": {spaced(decision.reason)}" if decision.reason else ""
                return f"{spaced(decision.outcome)}{why}"

    def _branch(self) -> str:
        if self.node is None or not isinstance(self.node.step, WaitFor):
            return self.decision.reason or "came"
        branches = self.node.step.wait_for.branches
        number = (self.decision.reason or "").rpartition(".")[2]
        branch = branches[int(number)] if number.isdigit() and int(number) < len(branches) else branches[0]
        if branch.step is not None:
            return f"{branch.step} {branch.status}"
        return branch.when.source if branch.when is not None else " or ".join(branch.event or ())

    def _consent(self) -> str:
        decision, values = self.decision, self.decision.values
        topic = "everything" if values.get("topic") in ("*", None) else values["topic"]
        channel = f" by {values['channel']}" if values.get("channel") else ""
        source = f" ({decision.reason})" if decision.reason else ""
        word = {
            "subscribed": "said yes to",
            "unsubscribed": "said no to",
            "pending": "is asked to confirm",
        }.get(decision.outcome)
        return f"{word} {topic}{channel}{source}" if word else f"consent {spaced(decision.outcome)}{source}"

    def _send(self) -> str:
        decision, seen = self.decision, self.seen
        what = str(decision.values.get("channel") or "message") if seen is None else what_of(seen.delivery)
        match decision.outcome:
            case Mark.ACCEPTED:
                return f"{what}: sent{self._by()}{self._held()}"
            case Mark.SKIPPED:
                reason = decision.reason or ""
                rule = f" ({decision.rule})" if decision.rule else ""
                why = f" — {_SKIPPED[reason]}" if reason in _SKIPPED else ""
                return f"{what}: not sent, {spaced(reason)}{rule}{why}"
            case "taken_back":
                return f"{what}: taken back from the provider: {_TAKEN_BACK.get(decision.reason or '', decision.reason)}"
            case Mark.UNKNOWN:
                return f"{what}: the provider gave no answer; it is asked again"
            case _:
                code = f", code {seen.delivery.code}" if seen is not None and seen.delivery.code else ""
                why = f", {spaced(decision.reason)}" if decision.reason else ""
                return f"{what}: {spaced(decision.outcome)}{why}{code}"

    def _by(self) -> str:
        provider = None if self.seen is None else self.seen.delivery.provider
        return f", taken by {provider}" if provider else ""

    def _held(self) -> str:
        """What kept it back before it left, and since when it was asked for."""
        if self.seen is None or self.decision.rule is None:
            return ""
        return f" (asked for at {self.seen.delivery.asked_at.isoformat()} and held: {self.decision.rule})"


def run_words(run: Run | None, journey: str) -> str:
    """Return the title of a run."""
    if run is None:
        return journey
    key = f", key {run.key}" if run.key else ""
    held = ", held out" if run.held_out else ""
    return f"{journey} (version {run.version}{key}{held})"


def waiting_words(delivery: Delivery) -> str:
    """Return what is known of a delivery about which nothing was decided yet."""
    until = "" if delivery.due_at is None else f" until {delivery.due_at.isoformat()}"
    why = "" if delivery.reason is None else f", {spaced(delivery.reason)}"
    rule = f" ({delivery.rule})" if delivery.rule else ""
    return f"{what_of(delivery)}: {spaced(delivery.status)}{until}{why}{rule}"


def what_of(delivery: Delivery) -> str:
    """Return what a delivery is: its channel, its template and its topic."""
    name = delivery.template or "text"
    topic = f", topic {delivery.topic}" if delivery.topic else ""
    return f"{delivery.channel} {name}{topic}"


def spaced(word: Any) -> str:
    """Return a word of the vocabulary as one reads it."""
    return str(word).replace("_", " ")
