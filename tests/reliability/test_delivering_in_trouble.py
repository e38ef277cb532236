"""Delivering when the database, a sender or the process itself fails between two steps."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from engage.domain.delivery.delivery import Channel, Delivery, Mark, Priority, SkipReason
from engage.domain.fact import Receipt
from engage.engine.deliver.deliver import Deliver
from engage.engine.deliver.rendering import Rendering, Requests
from engage.engine.operate import Operate, Operator
from engage.engine.receive import receipt_piece
from engage.engine.settle.settle import Settle
from engage.ports.channel import Accepted, Answer, Busy, CannotSay, NotTaken, Outbound, Question, Unknown
from engage.ports.channel import Taken as Found
from engage.ports.clock import NoHints
from engage.ports.locking import WorkerLock
from engage.ports.storage import StorageAwayError, Transaction
from engage.ports.templating import Renderer
from engage.storage.coding import decoder
from engage.storage.memory import MemoryStore
from engage.templating import compile_templates
from engage.testing.links import links_of
from tests.domain.engine.house import House

HELLO = {"journey": "j", "trigger": {"event": "Go"}, "steps": [{"sms": {"text": "hello"}}]}


@dataclass
class Phone:
    """A provider that takes everything."""

    provider: str = "phone"
    calls: list[Outbound] = field(default_factory=list)
    before: Callable[[], object] = lambda: None

    def send(self, outbound: Outbound) -> Answer:
        self.before()
        self.calls.append(outbound)
        return Accepted(provider_id=outbound.delivery)

    def ask(self, question: Question) -> Found | NotTaken | CannotSay:
        return CannotSay()


@dataclass
class Unsure:
    """A store whose answer to the n-th commit is lost: it was done, and nobody is told. Implements `Store`."""

    store: MemoryStore
    lost: int = 0
    commits: int = 0

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self.store.transaction() as tx:
            yield tx
        self.commits += 1
        if self.commits == self.lost:
            raise StorageAwayError("the connection broke")

    def worker_alive(self, worker: str) -> bool:
        return self.store.worker_alive(worker)

    def hold_worker_lock(self, worker: str) -> AbstractContextManager[WorkerLock]:
        return self.store.hold_worker_lock(worker)


def started(people: int = 1) -> House:
    house = House()
    house.publish(HELLO)
    for number in range(people):
        house.identify(f"u{number}", phone=f"+1415555{number:04}")
        house.track(f"u{number}", "Go")
    while house.world.digest.turn(range(64), house.clock.now()).more:
        pass
    house.world.backfill.turn("backfill:2", house.clock.now())
    return house


def deliver(house: House, store: Unsure, phone: Phone) -> Deliver:
    templates, _ = compile_templates([], {})
    return Deliver(
        store,
        house.compiled.catalog_of,
        lambda tx: templates,
        {Channel.SMS: phone},
        Requests(links_of),
        house.clock,
        NoHints(),
        worker="w",
    )


def deliveries(house: House) -> list[Delivery]:
    return [decoder(Delivery).decode(row.doc) for row in house.store.look().deliveries.all()]


def test_a_reservation_whose_commit_was_not_answered_is_given_back_and_made_again() -> None:
    house, phone = started(), Phone()
    with house.store.hold_worker_lock("w"):
        work = deliver(house, Unsure(house.store, lost=1), phone)

        with pytest.raises(StorageAwayError):
            work.turn(Channel.SMS, Priority.LIVE)
        assert [d.status for d in deliveries(house)] == [Mark.SENDING]
        house.clock.move_to(house.clock.now() + timedelta(hours=3))
        work.turn(Channel.SMS, Priority.LIVE)

    house.rest()
    assert len(phone.calls) == 1
    assert [d.status for d in deliveries(house)] == [Mark.ACCEPTED]


def test_a_reservation_whose_commit_was_not_answered_is_given_back_though_nothing_else_is_to_be_sent() -> (
    None
):
    house, phone = started(), Phone()
    with house.store.hold_worker_lock("w"):
        work = deliver(house, Unsure(house.store, lost=1), phone)
        with pytest.raises(StorageAwayError):
            work.turn(Channel.SMS, Priority.LIVE)
        swept(house, work)
        assert phone.calls == []  # a call may still be under way

        house.clock.move_to(house.clock.now() + timedelta(minutes=2))
        swept(house, work)

    house.rest()
    assert len(phone.calls) == 1
    assert [d.status for d in deliveries(house)] == [Mark.ACCEPTED]


def swept(house: House, work: Deliver) -> None:
    """Have the turns taken that sweep finds."""
    for channel, priority in house.world.sweep.look(house.clock.now()).deliveries:
        work.turn(channel, priority)


def test_why_it_failed_is_kept_if_that_was_told_before_the_call_was_answered() -> None:
    house, phone = started(), Phone()

    def told() -> None:
        (sending,) = deliveries(house)
        receipt = Receipt(
            delivery=sending.id,
            mark=Mark.FAILED,
            at=house.clock.now(),
            receipt_id="early",
            provider="phone",
            provider_id=sending.id,
            code="30007",
            reason="content",
        )
        with house.store.transaction() as tx:
            tx.inbox.add([receipt_piece(sending.lane, receipt, house.clock.now()).fact])
        house.world.digest.turn(range(64), house.clock.now())

    phone.before = told
    deliver(house, Unsure(house.store), phone).turn(Channel.SMS, Priority.LIVE)

    house.world.digest.turn(range(64), house.clock.now())
    (failed,) = deliveries(house)
    assert (failed.status, failed.reason, failed.code) == (Mark.FAILED, "content", "30007")
    assert Mark.ACCEPTED in failed.marks


@dataclass
class Mute(Phone):
    """A provider that answers nothing, and takes all but the first; asked, it knows addresses and no references."""

    def send(self, outbound: Outbound) -> Answer:
        self.calls.append(outbound)
        return Unknown()

    def ask(self, question: Question) -> Found | NotTaken:
        found = [f"SM-{one.delivery}" for one in self.calls[1:]]
        unclaimed = [provider_id for provider_id in found if provider_id not in question.known_ids]
        return Found(provider_id=unclaimed[0]) if unclaimed else NotTaken()


def test_what_was_taken_of_two_calls_to_one_address_is_not_guessed() -> None:
    house, phone = House(), Mute()
    house.publish(HELLO, {**HELLO, "journey": "k"})
    house.identify("ada", phone="+14155550100")
    house.track("ada", "Go")
    digest(house)
    work = deliver(house, Unsure(house.store), phone)
    settle = Settle(house.store, house.compiled.catalog_of, {Channel.SMS: phone}, house.clock, NoHints())
    with house.store.hold_worker_lock("w"):
        work.turn(Channel.SMS, Priority.LIVE)
        digest(house)
        house.clock.move_to(house.clock.now() + timedelta(seconds=61))
        settle.turn()
        digest(house)

    first, second = deliveries(house)
    assert [one.to for one in phone.calls] == ["+14155550100"] * 2
    assert (first.status, second.status) == (Mark.UNKNOWN, Mark.UNKNOWN)


def digest(house: House) -> None:
    while house.world.digest.turn(range(64), house.clock.now()).more:
        pass
    for job in house.world.backfill.open_jobs():
        house.world.backfill.turn(job, house.clock.now())


def test_a_reservation_that_somebody_else_made_meanwhile_is_not_touched() -> None:
    house, phone = started(), Phone()
    work = deliver(house, Unsure(house.store, lost=1), phone)
    with pytest.raises(StorageAwayError):
        work.turn(Channel.SMS, Priority.LIVE)
    with house.store.transaction() as tx:
        (theirs,) = tx.deliveries.get([deliveries(house)[0].id]).values()
        theirs.lease, theirs.calls = "another", theirs.calls + 1
        tx.deliveries.save([theirs])

    work.turn(Channel.SMS, Priority.LIVE)

    assert phone.calls == []
    assert deliveries(house)[0].lease == "another"


def test_a_mistake_about_one_call_loses_no_other_calls_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    house, phone = started(people=3), Phone()
    slowly(house, phone)
    healthy = Deliver._no_meanwhile

    def once(self: Deliver, delivery: Delivery, outbound: Outbound) -> SkipReason | Busy | None:
        monkeypatch.setattr(Deliver, "_no_meanwhile", healthy)
        raise ZeroDivisionError

    monkeypatch.setattr(Deliver, "_no_meanwhile", once)
    work = deliver(house, Unsure(house.store), phone)

    work.turn(Channel.SMS, Priority.LIVE)

    house.world.digest.turn(range(64), house.clock.now())
    assert sorted(d.status for d in deliveries(house)) == [Mark.ACCEPTED, Mark.ACCEPTED, Mark.HELD]


def slowly(house: House, phone: Phone) -> None:
    """Have every call take two seconds: those behind it find what they know of the ledger outdated."""
    phone.before = lambda: house.clock.move_to(house.clock.now() + timedelta(seconds=2))


def test_sending_that_is_stopped_between_two_calls_stops_the_second() -> None:
    house, phone = started(people=3), Phone()
    slowly(house, phone)
    late = phone.before

    def stop() -> None:
        late()
        Operate(house.store).stop_sending("sms", True, Operator("test", house.clock.now()))

    phone.before = stop
    deliver(house, Unsure(house.store), phone).turn(Channel.SMS, Priority.LIVE)

    house.world.digest.turn(range(64), house.clock.now())
    assert len(phone.calls) == 1
    assert sorted(str(d.reason) for d in deliveries(house)) == ["None", "sending_stopped", "sending_stopped"]


def test_a_journey_that_is_paused_between_two_calls_holds_the_second() -> None:
    house, phone = started(people=3), Phone()
    slowly(house, phone)
    late = phone.before

    def pause() -> None:
        late()
        if not phone.calls:
            house.world.publish.set_state("j", "paused")

    phone.before = pause
    deliver(house, Unsure(house.store), phone).turn(Channel.SMS, Priority.LIVE)

    house.world.digest.turn(range(64), house.clock.now())
    assert len(phone.calls) == 1
    assert sorted(d.status for d in deliveries(house)) == [Mark.ACCEPTED, Mark.HELD, Mark.HELD]


def test_a_delivery_that_cannot_even_be_refused_is_refused_in_the_end_and_its_neighbours_leave() -> None:
    house, phone = started(people=3), Phone()
    poisoned = min(deliveries(house), key=lambda delivery: delivery.id)
    healthy = Requests.render

    def render(self: Requests, renderer: Renderer, delivery: Delivery, *more: Any, **named: Any) -> Rendering:
        if delivery.id == poisoned.id:
            raise RecursionError
        return healthy(self, renderer, delivery, *more, **named)

    work = deliver(house, Unsure(house.store), phone)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Requests, "render", render)
        for _ in range(7):
            work.turn(Channel.SMS, Priority.LIVE)
            house.clock.move_to(house.clock.now() + timedelta(minutes=2))
    house.world.digest.turn(range(64), house.clock.now())

    assert len(phone.calls) == 2
    refused = next(one for one in deliveries(house) if one.id == poisoned.id)
    assert (refused.status, refused.reason) == (Mark.SKIPPED, SkipReason.RENDER_FAILED)
    assert refused.rule == "RecursionError, 5 times"


def test_a_clock_that_jumps_ahead_makes_nobody_judge_the_calls_of_a_worker_that_lives() -> None:
    house, phone = started(), Phone()
    settle = Settle(house.store, house.compiled.catalog_of, {Channel.SMS: phone}, house.clock, NoHints())

    def jump() -> None:
        house.clock.move_to(house.clock.now() + timedelta(hours=1))
        assert settle.turn().lost_workers == 0

    phone.before = jump
    with house.store.hold_worker_lock("w"):
        deliver(house, Unsure(house.store), phone).turn(Channel.SMS, Priority.LIVE)
    house.rest()

    assert len(phone.calls) == 1
    assert [d.status for d in deliveries(house)] == [Mark.ACCEPTED]


def test_a_clock_that_jumps_ahead_between_reservation_and_call_has_it_made_again_and_once() -> None:
    house, phone = started(people=2), Phone()
    phone.before = lambda: house.clock.move_to(house.clock.now() + timedelta(hours=1))
    work = deliver(house, Unsure(house.store), phone)

    with house.store.hold_worker_lock("w"):
        work.turn(Channel.SMS, Priority.LIVE)
        phone.before = lambda: None
        house.world.digest.turn(range(64), house.clock.now())
        house.clock.move_to(house.clock.now() + timedelta(seconds=2))
        work.turn(Channel.SMS, Priority.LIVE)
        house.world.digest.turn(range(64), house.clock.now())

    assert len(phone.calls) == 2
    assert [d.status for d in deliveries(house)] == [Mark.ACCEPTED] * 2
