"""Pacing: a sender's rate, in segments a second, shared by all workers and fairly by all journeys.

Calls that are open, and those that ended less than a second ago, never count more than a second's rate. A call reaches its
provider between its start and its end: so no second there holds more than the rate, however late anybody is.

Two queues make it fair. Each journey has one of its own at the full rate of the sender: a delivery gets its place there
once, and waits without being looked at until that place has come. What is due by then, of however many journeys, shares
the sender's slots in the order of these places: a backlog of ten thousand does not stand before somebody else's first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from math import ceil

from engage.domain.catalog import Catalog
from engage.domain.delivery.delivery import CALLS, Delivery, HoldReason, Priority
from engage.domain.delivery.sender import metered_as, sender_form
from engage.ports.channel import Outbound, SmsContent
from engage.ports.clock import Clock
from engage.ports.storage import Transaction

FOR_EVER = 10.0 * 365 * 86400
"""Seconds: a place in a journey's own queue may lie as far ahead as its backlog is long."""
SHORTEST_WAIT = 0.1
"""Seconds after which somebody who got no slot is judged again, at least."""

LONGEST_CALL = timedelta(seconds=60)
"""A call whose end is never heard of, because its worker died, counts so long: its lease."""
SECOND = timedelta(seconds=1)
Released = tuple[Delivery, Outbound]
End = tuple[str, datetime]
"""A call by its name, and until when it counts."""


@dataclass(frozen=True, slots=True)
class Slot:
    """When a call may start."""

    at: datetime
    call: str | None = None
    """The name under which it counts against its sender's rate; none: its sender has none."""


@dataclass(frozen=True, slots=True)
class Paced:
    """What became of one delivery: a slot, or when to look again."""

    delivery: Delivery
    outbound: Outbound
    slot: Slot | None
    until: datetime | None = None
    is_full: bool = False
    """The sender has no slot left for now; none: its own place is still to come."""


class Pacing:
    """Gives out slots. Thread-safe."""

    def __init__(self, clock: Clock, *, horizon: float, counts_open: bool) -> None:
        """Reserve at most `horizon` seconds ahead; `counts_open` unless the clock races ahead of the calls (the demo's)."""
        self._clock = clock
        self._horizon, self._counts_open = horizon, counts_open

    def give(
        self, tx: Transaction, catalog: Catalog, released: Sequence[Released], now: datetime
    ) -> Iterator[Paced]:
        """Yield each delivery with its slot, or with the instant at which to look again."""
        settings = catalog.settings

        def name_of(one: Released) -> str:
            return metered_as(settings, one[0].channel, one[1].sender)

        slow = tx.senders.slowness({name_of(one) for one in released if one[0].channel not in CALLS})
        for name, group in groupby(sorted(released, key=name_of), key=name_of):
            found = list(group)
            form = sender_form(settings, found[0][0].channel)
            factor = slow[name].factor_at(now) if name in slow else 1.0
            rate = form.rate if form is not None else None
            if rate is None:
                # Half of what, nobody has said: each refused call waits as long as it was told, and no other does.
                yield from (Paced(delivery, outbound, Slot(now)) for delivery, outbound in found)
                continue
            rule = None if factor == 1.0 else f"told to slow down ({slow[name].code})"
            for paced in self._metered(tx, name, float(rate) / factor, found, now):
                paced.delivery.rule = rule if paced.slot is None else paced.delivery.rule
                yield paced

    def _metered(
        self, tx: Transaction, name: str, rate: float, found: Sequence[Released], now: datetime
    ) -> Iterator[Paced]:
        spacing = 1 / rate
        most = max(1, ceil(rate)) if self._counts_open else None
        self._place(tx, name, spacing, found, now)
        horizon = now + timedelta(seconds=self._horizon)
        due: list[Released] = []
        for delivery, outbound in sorted(found, key=lambda released: released[0].place or now):
            if delivery.place is None or delivery.place <= horizon:
                due.append((delivery, outbound))
            else:
                delivery.reason = HoldReason.RATE
                yield Paced(delivery, outbound, None, _before_it_expires(delivery, delivery.place))
        costs = [_cost(outbound) for _, outbound in due]
        slots = tx.senders.reserve(name, now, spacing, costs, self._horizon, most)
        names = [f"{delivery.id}/{delivery.calls + 1}" for delivery, _ in due]
        if self._counts_open:
            weights = [(call, min(cost, most or cost)) for call, cost in zip(names, costs, strict=True)]
            tx.senders.open_calls(name, weights[: len(slots)], now + LONGEST_CALL + SECOND)
        again = now + timedelta(seconds=max(self._horizon, SHORTEST_WAIT))
        for index, (delivery, outbound) in enumerate(due):
            if index < len(slots):
                yield Paced(
                    delivery, outbound, Slot(slots[index], names[index] if self._counts_open else None)
                )
            else:
                delivery.reason = HoldReason.RATE
                yield Paced(delivery, outbound, None, again, is_full=True)

    def _place(
        self, tx: Transaction, name: str, spacing: float, found: Iterable[Released], now: datetime
    ) -> None:
        """Give those a place in their journey's queue that have none yet; what is urgent needs none."""
        queues: dict[str, list[Released]] = {}
        for delivery, outbound in found:
            if delivery.priority is not Priority.URGENT and not _has_place(delivery):
                queues.setdefault(f"{name}/{delivery.journey or ''}", []).append((delivery, outbound))
        for queue, waiting in sorted(queues.items()):
            costs = [_cost(outbound) for _, outbound in waiting]
            places = tx.senders.reserve(queue, now, spacing, costs, FOR_EVER)
            for (delivery, _), place in zip(waiting, places, strict=True):
                delivery.place = place

    def wait(self, slot: Slot) -> None:
        """Return once the slot has come."""
        self._clock.sleep_until(slot.at)

    def end(self, slot: Slot, *, called: bool) -> End | None:
        """Return until when a call that is over counts: a second longer, or no longer if it was not made."""
        if slot.call is None:
            return None
        return slot.call, self._clock.now() + (SECOND if called else timedelta(0))


def _has_place(delivery: Delivery) -> bool:
    """Return whether its place still counts: a pause or quiet hours in between cost it, a refused call does not."""
    return delivery.place is not None and delivery.reason in (HoldReason.RATE, HoldReason.RETRY)


def _cost(outbound: Outbound) -> int:
    """What a message counts against the rate: carriers meter texts by segments."""
    return outbound.content.segments if isinstance(outbound.content, SmsContent) else 1


def _before_it_expires(delivery: Delivery, place: datetime) -> datetime:
    return place if delivery.expires_at is None else min(place, delivery.expires_at)
