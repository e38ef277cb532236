"""The fault plan: which requests and callbacks go wrong, and how, by channel, recipient, count and probability."""

from __future__ import annotations

import random
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

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
    DRIP_AFTER = "drip_after"
    """Accepted, and the answer comes in drops, over `seconds` real seconds."""
    TRUNCATED_AFTER = "truncated_after"
    """Accepted, and the connection is cut in the middle of the answer."""
    HTML_AFTER = "html_after"
    """Accepted, and something in between answers 200 with HTML."""
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DELAY = "delay"
    LOST = "lost"
    FORGED = "forged"
    ODD = "odd"
    """Around the genuine come one that is unknown and one that is not ours (of mail a broken one, too), and it has fields that nobody documents."""
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
    {
        *(Fault.UNAVAILABLE_AFTER, Fault.HANG_AFTER, Fault.RESET_AFTER, Fault.HTML_AFTER),
        *(Fault.SLOW, Fault.DRIP_AFTER, Fault.TRUNCATED_AFTER),
    }
)
CALLBACK = frozenset(
    {Fault.DUPLICATE, Fault.REORDER, Fault.DELAY, Fault.LOST, Fault.FORGED, Fault.ODD, Fault.BARE}
)


class Struck(NamedTuple):
    """A request or a callback, as far as rules look at it; a callback has no path."""

    channel: Channel
    to: str
    sender: str = ""
    path: str = ""


class FaultRule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One line of the plan; what is absent matches everything, `to`, `from` and `path` may hold `*`, absent `count` is no limit."""

    fault: Fault
    channel: Channel | None = None
    to: str | None = None
    sender: str | None = msgspec.field(default=None, name="from")
    path: str | None = None
    """Of a request: `*/Calls.json`."""
    status: int = 503
    """What `503_before` and `503_after` answer: 500, 502, 503 or 504."""
    count: int | None = None
    probability: float = 1.0
    retry_after: float | None = None
    code: int = 21606
    """What `refuse` refuses with."""
    seconds: float = 5.0
    """How long `delay` delays a callback and `slow` an answer, in sandbox seconds; how long `drip_after` takes, in real ones."""
    fired: int = 0

    def __post_init__(self) -> None:
        if self.status not in {500, 502, 503, 504}:
            raise ValueError("status is 500, 502, 503 or 504")

    def matches(self, struck: Struck) -> bool:
        if self.count is not None and self.fired >= self.count:
            return False
        if self.channel is not None and self.channel is not struck.channel:
            return False
        wanted = ((self.to, struck.to), (self.sender, struck.sender), (self.path, struck.path))
        return all(
            pattern is None or pattern == text or fnmatchcase(text, pattern) for pattern, text in wanted
        )


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

    def for_request(self, struck: Struck) -> FaultRule | None:
        """Return the rule that strikes this request, having counted it."""
        return self._strike(self._requests, struck) if self._requests else None

    def for_callback(self, struck: Struck, *, can_reorder: bool) -> FaultRule | None:
        """Return the rule that strikes this callback; the last callback of a life cannot be overtaken by another."""
        if not self._callbacks:
            return None
        rules = self._callbacks
        if not can_reorder:
            rules = [rule for rule in rules if rule.fault is not Fault.REORDER]
        return self._strike(rules, struck)

    def _strike(self, rules: list[FaultRule], struck: Struck) -> FaultRule | None:
        for rule in rules:
            if rule.matches(struck) and (rule.probability >= 1 or self._lots.random() < rule.probability):
                rule.fired += 1
                return rule
        return None
