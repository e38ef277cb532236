"""Shapes: how what is stored looks in the answers of our own API (interfaces.md, HTTP)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from engage.domain.decision import Decision
from engage.domain.delivery.delivery import Delivery, Mark
from engage.domain.fact import Identifier
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event, Profile
from engage.domain.profile.sensitive import Sensitive
from engage.ports.reading import (
    DeliverySeen,
    JourneyNumbers,
    Kept,
    Membership,
    Page,
    StepNumbers,
    Subscription,
)

Item = TypeVar("Item")
Shape = dict[str, Any]

_NAMES = ("user_id", "email", "phone")
"""Which of a person's names stands for them where there is room for one."""


def page_shape(page: Page[Item], shape: Callable[[Item], Any]) -> Shape:
    """Return a page of a list: `{"items": […], "next": cursor or null}`."""
    return {"items": [shape(item) for item in page.items], "next": page.next}


def name_of(identifiers: Sequence[Identifier]) -> str | None:
    """Return the best known name of a person as `kind:value`; None for somebody without any."""
    for kind in _NAMES:
        for identifier in identifiers:
            if identifier.kind == kind:
                return identifier_shape(identifier)
    return identifier_shape(identifiers[0]) if identifiers else None


def traits_shape(profile: Profile, covered: Sensitive) -> Shape:
    """Return a person's traits, the sensitive ones covered."""
    seen = covered.values({f"profile.{name}": value for name, value in profile.traits.items()})
    return {name.removeprefix("profile."): value for name, value in seen.items()}


def kept_shape(item: Kept) -> Shape:
    """Return a quarantined fact; its payload may hold personal data and is not shown."""
    fact = item.fact
    return {
        "id": item.id,
        "received_at": fact.received_at,
        "source": fact.source,
        "reason": fact.reason,
        "detail": fact.detail,
        "bytes": len(fact.payload),
    }


def unknown_shape(delivery: Delivery) -> Shape:
    """Return a delivery whose outcome is unknown, with when the provider is asked next."""
    return {
        "delivery_id": delivery.id,
        "channel": delivery.channel,
        "topic": delivery.topic,
        "journey": delivery.journey,
        "step": delivery.step,
        "unknown_since": delivery.unknown_since,
        "asked_next": delivery.due_at,
        "code": delivery.code,
    }


def identifier_shape(identifier: Identifier) -> str:
    """Return `kind:value`."""
    return f"{identifier.kind}:{identifier.value}"


def delivery_shape(seen: DeliverySeen) -> Shape:
    """Return a delivery; `at` is when it was accepted, before that when it was asked for."""
    delivery = seen.delivery
    return {
        "delivery_id": delivery.id,
        "channel": delivery.channel,
        "topic": delivery.topic,
        "template": delivery.template,
        "journey": delivery.journey,
        "run": delivery.run,
        "step": delivery.step,
        "status": delivery.status,
        "reason": delivery.reason,
        "code": delivery.code,
        "at": delivery.accepted_at or delivery.asked_at,
        "receipts": [
            {
                "receipt_id": receipt.receipt_id,
                "status": receipt.mark,
                "at": receipt.at,
                "provider": receipt.provider,
                "code": receipt.code,
                "data": receipt.data,
            }
            for receipt in seen.receipts
        ],
        "version": delivery.version,
        "rule": delivery.rule,
        "asked_at": delivery.asked_at,
        "accepted_at": delivery.accepted_at,
        "due_at": delivery.due_at,
    }


def run_shape(run: Run) -> Shape:
    """Return a run; `step` is where it stands, or stood last."""
    return {
        "run": run.id,
        "journey": run.journey,
        "version": run.version,
        "key": run.key or None,
        "entered_at": run.entered_at,
        "ended_at": run.ended_at,
        "reason": run.reason,
        "step": run.step,
        "due_at": run.due_at,
        "goal_at": run.goal_at,
    }


def decision_shape(decision: Decision) -> Shape:
    """Return a decision."""
    return {
        "at": decision.at,
        "kind": decision.kind,
        "journey": decision.journey,
        "step": decision.step,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "values": decision.values,
        "rule": decision.rule,
        "run": decision.run,
        "delivery_id": decision.delivery,
    }


def event_shape(event: Event) -> Shape:
    """Return an event."""
    return {
        "message_id": event.id,
        "event": event.name,
        "type": event.type,
        "timestamp": event.timestamp,
        "received_at": event.received_at,
        "properties": event.properties,
    }


def consent_shape(consent: Subscription) -> Shape:
    """Return a consent; `address` null: the person's own, whatever the address."""
    return {
        "channel": consent.channel,
        "topic": consent.topic,
        "state": consent.state,
        "source": consent.source,
        "at": consent.at,
        "address": consent.address,
    }


def audience_shape(membership: Membership) -> str:
    """Return the audience's name."""
    return membership.audience


def journey_shape(
    numbers: JourneyNumbers,
    versions: Sequence[Shape],
    steps: Iterable[str],
    name_of_step: Callable[[StepNumbers], str],
) -> Shape:
    """Return the numbers of a journey; `name_of_step` gives a step's id where storage knows its position.

    Every one of `steps`, those of the live version, is in the funnel; so are those of older versions people were at.
    """
    ended = sum(numbers.ended.values())
    active = sum(numbers.active.values())
    return {
        "versions": versions,
        "funnel": funnel_shape(numbers.funnel, steps, name_of_step),
        "runs": {"entered": ended + active, "active": active, "ended": ended, "reasons": numbers.ended},
        "goal": {"reached": numbers.goals},
        "deliveries": _statuses(numbers),
    }


def funnel_shape(
    funnel: Iterable[StepNumbers], steps: Iterable[str], name_of_step: Callable[[StepNumbers], str]
) -> Shape:
    """Return `{step: {entered, waiting, left}}` of all versions together, in the order of the file."""
    found: dict[str, dict[str, int]] = {step: {"entered": 0, "waiting": 0} for step in steps}
    for step in funnel:
        counts = found.setdefault(name_of_step(step), {"entered": 0, "waiting": 0})
        counts["entered"] += step.entered
        counts["waiting"] += step.waiting
    for counts in found.values():
        counts["entered"] = max(counts.values())
        counts["left"] = counts["entered"] - counts["waiting"]
    return dict(found)


def _statuses(numbers: JourneyNumbers) -> Shape:
    """Return `{channel: {status: count, …, "reasons": {reason: count}}}`."""
    found: dict[str, Any] = {}
    for count in numbers.deliveries:
        channel = found.setdefault(count.channel, {"reasons": {}})
        channel[count.status] = channel.get(count.status, 0) + count.count
        if count.reason is not None and count.status in (Mark.SKIPPED, Mark.FAILED):
            channel["reasons"][count.reason] = channel["reasons"].get(count.reason, 0) + count.count
    return found
