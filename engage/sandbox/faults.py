"""The fault plan: which requests and callbacks go wrong, and how, by channel, recipient, count and probability."""

from __future__ import annotations

import random
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from engage.sandbox.ledger import Channel


class Fault(StrEnum):
    TOO_MANY = "429"
    UNAVAILABLE_BEFORE = "503_before"
    UNAVAILABLE_AFTER = "503_after"
    HANG_BEFORE = "hang_before"
    HANG_AFTER = "hang_after"
    RESET_AFTER = "reset_after"
    SLOW = "slow"
    """Accepted at once, and answered only after `seconds`."""
    REDIRECT = "redirect"
    """301 to elsewhere, as a proxy that forces another host does."""
    TOO_LARGE = "413"
    """HTML of the front end, not the provider's JSON."""
    HTML_AFTER = "html_after"
    """Accepted, and something in between answers 200 with HTML."""
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DELAY = "delay"
    LOST = "lost"
    FORGED = "forged"
    ODD = "odd"
    """Mail only: among the events come one that is broken, one that is unknown, one of foreign mail, and fields nobody documents."""
    BARE = "bare"
    """Mail only: the event comes without the mail's custom arguments; its `sg_message_id` is all there is."""
    REFUSE = "refuse"
    """Twilio only: refused with `code`, with the HTTP status the provider gives it."""


#: Faults of a request, told apart by whether the message was accepted all the same.
BEFORE = frozenset(
    {
        *(Fault.TOO_MANY, Fault.UNAVAILABLE_BEFORE, Fault.HANG_BEFORE),
        *(Fault.REDIRECT, Fault.TOO_LARGE, Fault.REFUSE),
    }
)
AFTER = frozenset(
    {Fault.UNAVAILABLE_AFTER, Fault.HANG_AFTER, Fault.RESET_AFTER, Fault.HTML_AFTER, Fault.SLOW}
)
CALLBACK = frozenset(
    {Fault.DUPLICATE, Fault.REORDER, Fault.DELAY, Fault.LOST, Fault.FORGED, Fault.ODD, Fault.BARE}
)


class FaultRule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One line of the plan; absent `channel` or `to` match everything, `to` may hold `*`, absent `count` is no limit."""

    fault: Fault
    channel: Channel | None = None
    to: str | None = None
    count: int | None = None
    probability: float = 1.0
    retry_after: float | None = None
    code: int = 21606
    """What `refuse` refuses with."""
    seconds: float = 5.0
    """How long `delay` delays a callback and `slow` an answer, in sandbox seconds."""
    fired: int = 0

    def matches(self, channel: Channel, to: str) -> bool:
        if self.count is not None and self.fired >= self.count:
            return False
        if self.channel is not None and self.channel is not channel:
            return False
        return self.to is None or self.to == to or fnmatchcase(to, self.to)


class FaultPlanError(ValueError):
    """The plan names an unknown fault or channel, or a field has the wrong type."""


class FaultPlan:
    """The rules in force, tried in their order; the first that matches and whose lot falls, fires."""

    def __init__(self, seed: int) -> None:
        self.rules: list[FaultRule] = []
        self._requests: list[FaultRule] = []
        self._callbacks: list[FaultRule] = []
        self._lots = random.Random(seed)  # noqa: S311  # lots of a test plan, not secrets

    def replace(self, plan: Any) -> None:
        """Put `plan` (a list of rules, or `{"faults": [...]}`) in place of the old one.

        Raises:
            FaultPlanError: the plan is not of that form; the old one stays.
        """
        if isinstance(plan, dict) and set(plan) == {"faults"}:
            plan = plan["faults"]
        elif isinstance(plan, dict):
            plan = [plan]
        try:
            rules = msgspec.convert(plan, list[FaultRule], strict=False)
        except msgspec.ValidationError as exc:
            raise FaultPlanError(str(exc)) from exc
        self.rules = rules
        self._requests = [rule for rule in rules if rule.fault not in CALLBACK]
        self._callbacks = [rule for rule in rules if rule.fault in CALLBACK]

    def for_request(self, channel: Channel, to: str) -> FaultRule | None:
        """Return the rule that strikes this request, having counted it."""
        return self._strike(self._requests, channel, to) if self._requests else None

    def for_callback(self, channel: Channel, to: str, *, can_reorder: bool) -> FaultRule | None:
        """Return the rule that strikes this callback; the last callback of a life cannot be overtaken by another."""
        if not self._callbacks:
            return None
        rules = self._callbacks
        if not can_reorder:
            rules = [rule for rule in rules if rule.fault is not Fault.REORDER]
        return self._strike(rules, channel, to)

    def _strike(self, rules: list[FaultRule], channel: Channel, to: str) -> FaultRule | None:
        for rule in rules:
            if rule.matches(channel, to) and (
                rule.probability >= 1 or self._lots.random() < rule.probability
            ):
                rule.fired += 1
                return rule
        return None
