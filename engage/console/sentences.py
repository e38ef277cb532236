"""Sentences: what one line of a person's history says."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from engage.console.words import channel_word, reason_words, stamp_text, value_text, values_text
from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import WAITING, Delivery, Mark
from engage.domain.profile.profile import Event
from engage.domain.steps.base import Node
from engage.engine.explain.words import Words
from engage.project.words.steps import step_line

_STATUS_WORDS = {
    Mark.QUEUED: "is about to leave",
    Mark.HELD: "waits",
    Mark.SENDING: "is being sent",
    Mark.UNKNOWN: "was sent, and nobody knows yet whether it was taken",
    Mark.ACCEPTED: "was taken by the provider",
    Mark.SENT: "was sent on",
    Mark.DELIVERED: "delivered",
    Mark.OPENED: "opened",
    Mark.CLICKED: "clicked",
    Mark.REPLIED: "answered",
    Mark.ANSWERED: "answered",
    Mark.COMPLETED: "completed",
    Mark.FAILED: "failed",
    Mark.UNDELIVERED: "was not delivered",
    Mark.BOUNCED: "bounced",
    Mark.COMPLAINED: "was marked as spam",
    Mark.CANCELED: "was cancelled",
    Mark.BUSY: "met a busy line",
    Mark.NO_ANSWER: "was not answered",
}
_CALLS = {"page": "Viewed the page", "screen": "Viewed the screen", "group": "Joined the group"}


def delivery_sentence(delivery: Delivery) -> str:
    """Return what became of a delivery: `SMS cart/nudge delivered`, `Skipped: not_opted_in (sms, promotions)`."""
    what = f"{channel_word(delivery.channel)} {delivery.template or 'text'}"
    if delivery.status is Mark.SKIPPED:
        return f"Skipped: {delivery.reason} ({_about(delivery)})"
    if delivery.status in WAITING and delivery.reason:
        return f"{what} waits: {delivery.reason}"
    words = _STATUS_WORDS.get(delivery.status, str(delivery.status))
    because = ", ".join(part for part in (delivery.reason, delivery.code) if part)
    failed = delivery.status in (Mark.FAILED, Mark.UNDELIVERED, Mark.BOUNCED, Mark.CANCELED)
    return f"{what} {words}: {because}" if failed and because else f"{what} {words}"


def _about(delivery: Delivery) -> str:
    return ", ".join(part for part in (str(delivery.channel), delivery.topic) if part)


def delivery_note(delivery: Delivery) -> str:
    """Return why it is so, in words."""
    parts = [reason_words(delivery.reason), f"by the rule {delivery.rule}" if delivery.rule else ""]
    return ", ".join(part for part in parts if part)


def event_sentence(event: Event) -> str:
    """Return what happened: the event's name, or what the call says."""
    if event.type in _CALLS:
        name = event.properties.get("name") or event.name
        return f"{_CALLS[event.type]} {value_text(name)}"
    if event.type == "identify":
        return "Told us about themselves"
    return event.name


def decision_sentence(decision: Decision, zone: ZoneInfo, node: Node | None = None) -> str:
    """Return what was decided: `Entered abandoned-cart`, `Did not enter welcome: reentry`; times are of `zone`.

    Steps are told in the words of `engage why`, where `node` is the step.
    """
    values = decision.values
    match decision.kind:
        case Decided.ENTRY:
            return _entry(decision)
        case Decided.EXIT:
            if decision.reason == "completed":
                return f"Completed {decision.journey}"
            return f"Left {decision.journey}: {decision.reason}"
        case Decided.GOAL:
            worth = values.get("value")
            return f"Reached the goal of {decision.journey}" + (
                "" if worth is None else f", worth {value_text(worth)}"
            )
        case Decided.STEP:
            return _step(decision, zone, node)
        case Decided.AUDIENCE:
            return _audience(decision)
        case Decided.CONSENT:
            topic = values.get("topic")
            every = "everything" if topic == "*" else value_text(topic)
            return f"{decision.outcome.capitalize()}: {value_text(values.get('channel'))}, {every}"
        case Decided.IDENTITY:
            return _identity(decision)
        case Decided.SEND:
            about = ", ".join(value_text(values[name]) for name in ("channel", "topic") if values.get(name))
            said = f"{decision.outcome.capitalize()}: {decision.reason}" if decision.reason else ""
            return f"{said or decision.outcome.capitalize()} ({about})"
        case Decided.EVENT:
            reason = f": {decision.reason}" if decision.reason else ""
            return f"Event {decision.outcome}{reason}"


def _entry(decision: Decision) -> str:
    if decision.outcome != "entered":
        return f"Did not enter {decision.journey}: {decision.reason}"
    held = ", in the group that gets nothing" if decision.reason == "holdout" else ""
    return f"Entered {decision.journey}{held}"


def _step(decision: Decision, zone: ZoneInfo, node: Node | None) -> str:
    if "if" in decision.values:
        return f"{decision.journey}: {Words(decision, node, None, None, None).text}"
    if node is not None:
        return f"{decision.journey}: {_known_step(decision, zone, node)}"
    place = f"{decision.journey}, {decision.step}"
    match decision.outcome:
        case "true":
            return f"{place}: the condition holds"
        case "false":
            return f"{place}: the condition does not hold"
        case "timeout":
            return f"{place}: waited to the end"
        case "matched":
            return f"{place}: what it waited for came"
        case "waits":
            until = _instant(decision.values.get("until"))
            return f"{place}: waits" + ("" if until is None else f" until {stamp_text(until, zone)}")
        case "past":
            return f"{place}: the time was over"
        case "emitted":
            return f"{place}: let {value_text(decision.values.get('event'))} happen"
        case outcome:
            reason = f" ({decision.reason})" if decision.reason else ""
            return f"{place}: {outcome.replace('_', ' ')}{reason}"


def _known_step(decision: Decision, zone: ZoneInfo, node: Node) -> str:
    line = step_line(node.step)
    until = _instant(decision.values.get("until"))
    match decision.outcome:
        case "waits" if until is not None:
            return f"{line}: until {stamp_text(until, zone)}"
        case "waits" | "matched" | "timeout" | "emitted":
            return Words(decision, node, line, None, None).text
        case _:
            return f"{line}: {Words(decision, node, line, None, None).text}"


def _instant(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _audience(decision: Decision) -> str:
    audience = value_text(decision.values.get("audience"))
    match decision.outcome:
        case "entered":
            return f"Entered the audience {audience}"
        case "left":
            return f"Left the audience {audience}"
        case outcome:
            return f"Audience {audience} {outcome}: {decision.reason}"


def _identity(decision: Decision) -> str:
    if decision.outcome == "merged":
        return "Became one with another profile"
    return f"Identity {decision.outcome}" + (f": {decision.reason}" if decision.reason else "")


def decision_note(decision: Decision) -> str:
    """Return what was looked at, and what the reason means."""
    told: Mapping[str, Any] = {
        name: value
        for name, value in decision.values.items()
        if (decision.kind, name)
        not in {
            (Decided.CONSENT, "channel"),
            (Decided.CONSENT, "topic"),
            (Decided.AUDIENCE, "audience"),
            (Decided.GOAL, "value"),
            (Decided.STEP, "if"),
        }
        and (decision.outcome, name) != ("waits", "until")
    }
    source = decision.reason if decision.kind is Decided.CONSENT and decision.reason else ""
    parts = [
        f"by {source}" if source else "" if decision.reason == "completed" else reason_words(decision.reason),
        values_text(told),
        f"rule {decision.rule}" if decision.rule else "",
    ]
    return " · ".join(part for part in parts if part)
