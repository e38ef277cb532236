"""Workloads A and B: customers become known, do something, get a message, and its callbacks come back."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from engage.bench.children import play
from engage.bench.customers import EMAIL_EVENT, SMS_EVENT
from engage.bench.figures import Budget, Figures
from engage.bench.load import Plan, Play
from engage.bench.stack import BenchError, Stack, until
from engage.bench.workload import Place, Wish, Workload

WARM_UP = 300
"""Customers before the measured ones: templates, plans and connections are made for them."""
NAIVE_SHARE = 10
"""The naive twin gets a tenth of the customers: it is that much slower, and its cost does not depend on the number."""
PATIENCE = 120.0
"""Seconds without any progress until a run is given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageWorkload:
    """One channel's loop from call to callback."""

    name: str
    channel: str
    event: str
    budget: Budget
    about: str
    first: int
    """The number of its first customer; those of the warm-up come half a million later."""
    customers: int
    """By default."""

    @property
    def workload(self) -> Workload:
        """Its row in the table of workloads."""
        return Workload(
            name=self.name, about=self.about, budget=self.budget, run=self._run, naive=self._run_naive
        )

    def _run(self, place: Place, wish: Wish) -> Figures:
        warm_up(place.stack, self, self.first + 500_000)
        return run_messages(place.stack, self, self.first, wish.messages or self.customers)

    def _run_naive(self, twin: Stack, wish: Wish) -> Figures:
        run_messages(twin, self, self.first + 500_000, 100)
        count = max(200, (wish.messages or self.customers) // NAIVE_SHARE)
        return run_messages(twin, self, self.first, count)


SMS = MessageWorkload(
    name="A",
    channel="sms",
    event=SMS_EVENT,
    about="identify and event, a condition, an SMS, its two callbacks",
    first=0,
    budget=Budget(at_most={"cpu_s_per_1000": 1.2}, at_least={"per_s": 700}),
    customers=6_000,
)
EMAIL = MessageWorkload(
    name="B",
    channel="email",
    event=EMAIL_EVENT,
    about="the same by e-mail, 17 KB of HTML",
    first=200_000,
    budget=Budget(at_most={"cpu_s_per_1000": 1.5}, at_least={"per_s": 600}),
    customers=5_000,
)


def run_messages(
    stack: Stack, workload: MessageWorkload, first: int, count: int, *, batch: int = 1
) -> Figures:
    """Play `count` customers from number `first` on and return what each thousand messages has cost.

    The clock runs from the first call until PostgreSQL has every delivery as delivered.

    Raises:
        BenchError: nothing moves any more.
    """
    before = Tally.of(stack, workload)
    cpu = stack.cpu()
    plan = Plan(
        url=stack.url,
        write_key=stack.write_key,
        source=f"{workload.name}{first}",
        first=first,
        count=count,
        play=Play.BOTH,
        event=workload.event,
        batch=batch,
    )
    report = play(plan, limit=PATIENCE + count / 20)
    _await_callbacks(stack, workload, before, count)
    ended = until(
        lambda: _delivered(stack, workload) - before.delivered >= count,
        PATIENCE,
        f"workload {workload.name}: not every delivery became `delivered`",
    )
    spent = {name: seconds - cpu[name] for name, seconds in stack.cpu().items()}
    after = Tally.of(stack, workload)
    return Figures.of_cpu(
        count=count,
        seconds=ended - report.began,
        stages=spent,
        more={"accepted_per_s": report.calls / (report.ended - report.began)},
        faults=_faults(before, after, count, report.lost),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How far everything has come, by those who must know."""

    calls: int
    """Sends the sink has accepted."""
    delivered: int
    receipts: int

    @classmethod
    def of(cls, stack: Stack, workload: MessageWorkload) -> "Tally":
        """Count now."""
        return cls(
            calls=stack.sink.stats()["accepted"],
            delivered=_delivered(stack, workload),
            receipts=stack.count(
                "SELECT count(*) FROM receipt JOIN delivery ON delivery.id = receipt.delivery_id"
                f" WHERE channel = '{workload.channel}'"
            ),
        )


def _delivered(stack: Stack, workload: MessageWorkload) -> int:
    return stack.count(
        f"SELECT count(*) FROM delivery WHERE channel = '{workload.channel}' AND status = 'delivered'"
    )


def _faults(before: Tally, after: Tally, count: int, lost: int) -> list[str]:
    found = []
    if lost:
        found.append(f"{lost} calls were refused for good")
    if (sent := after.calls - before.calls) != count:
        found.append(f"{sent} sends for {count} customers")
    if (receipts := after.receipts - before.receipts) < 2 * count:
        found.append(f"{receipts} receipts for {2 * count} callbacks")
    return found


def _await_callbacks(stack: Stack, workload: MessageWorkload, before: Tally, count: int) -> None:
    """Wait until the provider has nothing left to say; asks the sink alone, so that waiting costs the stack nothing."""
    still_moving = _progress(lambda: tuple(stack.sink.stats().values()), workload.name)
    while True:
        seen = stack.sink.stats()
        if seen["accepted"] - before.calls >= count and not seen["pending"]:
            return
        still_moving()
        time.sleep(0.02)


def _progress(state: Callable[[], object], name: str) -> Callable[[], None]:
    """Return a check that raises once `state` has stood still for too long."""
    last, since = state(), time.monotonic()

    def check() -> None:
        nonlocal last, since
        now = state()
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            raise BenchError(f"workload {name} stands still at {now}")

    return check


def warm_up(stack: Stack, workload: MessageWorkload, first: int) -> None:
    """Send the first messages, which nobody measures.

    Raises:
        BenchError: they do not arrive.
    """
    run_messages(stack, workload, first, WARM_UP)
