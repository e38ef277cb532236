"""Pacing: a sender's rate, in segments a second, shared by all workers and fairly by all journeys.

Two queues make it fair. Each journey has one of its own at the full rate of the sender: a delivery gets its place there
once, and waits without being looked at until that place has come. What is due by then, of however many journeys, shares
the sender's slots in the order of these places: a backlog of ten thousand does not stand before somebody else's first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from engage.domain.catalog import Catalog
from engage.domain.delivery import Channel, Delivery, HoldReason, Priority
from engage.domain.project_settings import SenderForm
from engage.ports.channel import Outbound, SmsContent
from engage.ports.clock import Clock
from engage.ports.storage import Store, Transaction

FOR_EVER = 10.0 * 365 * 86400
"""Seconds: a place in a journey's own queue may lie as far ahead as its backlog is long."""
SHORTEST_WAIT = 0.1
"""Seconds after which somebody who got no slot is judged again, at least."""

Released = tuple[Delivery, Outbound]


@dataclass(frozen=True, slots=True)
class Slot:
    """When a call may start. `sender` none: at once, its sender has no rate."""

    at: datetime
    sender: str | None = None
    spacing: float = 0.0
    cost: int = 1


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

    def __init__(self, store: Store, clock: Clock, *, horizon: float, slack: float) -> None:
        """Reserve at most `horizon` seconds ahead.

        `slack` is the share of each second that is kept free, and how late, in seconds, a call may start in its slot: so
        that calls that are late and calls that are not never make more than the rate in any second. 0: nobody is late.
        """
        self._store, self._clock = store, clock
        self._horizon, self._slack = horizon, slack

    def give(
        self, tx: Transaction, catalog: Catalog, released: Sequence[Released], now: datetime
    ) -> Iterator[Paced]:
        """Yield each delivery with its slot, or with the instant at which to look again."""
        forms = catalog.settings.senders
        for name, group in groupby(sorted(released, key=_sender_name), key=_sender_name):
            found = list(group)
            form = sender_form(forms, found[0][0].channel)
            if form is None or form.rate is None:
                yield from (Paced(delivery, outbound, Slot(now)) for delivery, outbound in found)
            else:
                spacing = (1 + self._slack) / float(form.rate)
                yield from self._metered(tx, name, spacing, found, now)

    def _metered(
        self, tx: Transaction, name: str, spacing: float, found: Sequence[Released], now: datetime
    ) -> Iterator[Paced]:
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
        slots = tx.senders.reserve(name, now, spacing, costs, self._horizon)
        again = now + timedelta(seconds=max(self._horizon, SHORTEST_WAIT))
        for index, (delivery, outbound) in enumerate(due):
            if index < len(slots):
                yield Paced(delivery, outbound, Slot(slots[index], name, spacing, costs[index]))
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
        """Return once the slot has come. A call that comes too late for it, because its thread did, takes another."""
        self._clock.sleep_until(slot.at)
        if slot.sender is None or not self._slack:
            return
        while self._clock.now() > slot.at + timedelta(seconds=self._slack):
            with self._store.transaction() as tx:
                (at,) = tx.senders.reserve(
                    slot.sender, self._clock.now(), slot.spacing, [slot.cost], FOR_EVER
                )
            slot = Slot(at, slot.sender, slot.spacing, slot.cost)
            self._clock.sleep_until(slot.at)


def sender_form(forms: Mapping[Channel, SenderForm], channel: Channel) -> SenderForm | None:
    """Return who we send as on a channel; pictures come from the sender of texts unless they have one of their own."""
    return forms.get(channel) or (forms.get(Channel.SMS) if channel is Channel.MMS else None)


def _sender_name(released: Released) -> str:
    delivery, outbound = released
    return outbound.sender or str(Channel.SMS if delivery.channel is Channel.MMS else delivery.channel)


def _has_place(delivery: Delivery) -> bool:
    """Return whether its place still counts: a pause or quiet hours in between cost it, a refused call does not."""
    return delivery.place is not None and delivery.reason in (HoldReason.RATE, HoldReason.RETRY)


def _cost(outbound: Outbound) -> int:
    """What a message counts against the rate: carriers meter texts by segments."""
    return outbound.content.segments if isinstance(outbound.content, SmsContent) else 1


def _before_it_expires(delivery: Delivery, place: datetime) -> datetime:
    return place if delivery.expires_at is None else min(place, delivery.expires_at)
