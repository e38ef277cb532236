"""Receipts that are here before we know by which id the provider calls their delivery: kept, and placed once, or nobody's."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from engage.compiled import CompiledProject
from engage.domain.delivery.delivery import Channel, Mark
from engage.domain.fact import Receipt
from engage.domain.ids import DeliveryId
from engage.engine.accept.intake import Intake
from engage.engine.receive import Receiver
from engage.engine.settle.settle import Settle
from engage.engine.simulate import VirtualClock
from engage.engine.strays import AGAIN, PATIENCE
from engage.engine.sweep import Sweep
from engage.ports.channel import Adrift, Heard
from engage.ports.clock import NoHints
from tests.accept.store import NOW, Hinted, TestedStore
from tests.accept.test_receive import DELIVERY, REQUEST, Said, receipt

CHAT: dict[str, Any] = {"channel": Channel.CHAT, "address": "+14155550101"}


class Line:
    """The way in for receipts of chats, and the room that looks again."""

    def __init__(self) -> None:
        self.store, self.clock = TestedStore(), VirtualClock(NOW)
        self.settle = Settle(self.store, CompiledProject().catalog_of, {}, self.clock, NoHints())

    def hear(self, *marks: Mark, **more: Any) -> None:
        receipts = [receipt(mark, delivery=DeliveryId(""), **more) for mark in marks]
        adrift = Adrift(
            channel=Channel.CHAT,
            address=None,
            provider_ids=frozenset({"IM1"}),
            receipts=receipts,
            raw=b"raw",
            shared=True,
        )
        received = Receiver([Said(Heard(adrift=[adrift]))]).receive("acme/status", REQUEST)
        assert received is not None
        Intake(self.store, Hinted()).store(received.taken)

    def sending(self) -> None:
        self.store.send(DELIVERY, phase=Mark.SENDING, status=Mark.SENDING, lease="w", lease_until=NOW + PATIENCE, **CHAT)  # fmt: skip

    def answered(self) -> None:
        """The provider's id is known by now."""
        self.store.send(DELIVERY, provider_id="IM1", marks=[Mark.ACCEPTED], status=Mark.ACCEPTED, accepted_at=NOW, **CHAT)  # fmt: skip

    def wait(self, until: datetime) -> None:
        self.clock.move_to(until)
        if Sweep(self.store).look(self.clock.now()).unsettled:
            self.settle.turn()

    def placed(self) -> list[tuple[str, str]]:
        return [(fact.delivery, fact.mark) for fact in self.store.facts() if isinstance(fact, Receipt)]

    def waiting(self) -> int:
        with self.store.transaction() as tx:
            return len(tx.jobs.unfinished())


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_receipt_that_overtakes_the_answer_to_its_call_is_placed_once_the_answer_is_here(
    line: Line,
) -> None:
    line.sending()
    line.hear(Mark.SENT, Mark.DELIVERED)
    assert (line.placed(), line.waiting(), line.store.quarantined()) == ([], 2, [])

    line.wait(NOW + AGAIN)
    assert (line.placed(), line.waiting()) == ([], 2)
    line.answered()
    line.wait(NOW + 2 * AGAIN)

    assert line.placed() == [(DELIVERY, Mark.SENT), (DELIVERY, Mark.DELIVERED)]
    assert line.waiting() == 0
    line.wait(NOW + timedelta(minutes=1))
    assert len(line.placed()) == 2


def test_one_whose_delivery_is_known_does_not_wait(line: Line) -> None:
    line.answered()

    line.hear(Mark.DELIVERED)

    assert (line.placed(), line.waiting()) == ([(DELIVERY, Mark.DELIVERED)], 0)


def test_one_that_comes_again_while_it_waits_is_placed_once(line: Line) -> None:
    line.sending()
    line.hear(Mark.DELIVERED)
    line.hear(Mark.DELIVERED)

    line.answered()
    line.hear(Mark.DELIVERED)
    line.wait(NOW + AGAIN)

    assert line.placed() == [(DELIVERY, Mark.DELIVERED)]


def test_where_nothing_is_on_its_way_it_is_somebody_elses(line: Line) -> None:
    line.hear(Mark.DELIVERED)

    assert (line.placed(), line.waiting(), line.store.quarantined()) == ([], 0, [])


def test_it_is_somebody_elses_once_nothing_is_on_its_way_any_more(line: Line) -> None:
    line.sending()
    line.hear(Mark.DELIVERED, receipt_id="of an agent's")
    line.store.send(DELIVERY, provider_id="IM2", marks=[Mark.ACCEPTED], status=Mark.ACCEPTED, **CHAT)

    line.wait(NOW + AGAIN)

    assert (line.placed(), line.waiting(), line.store.quarantined()) == ([], 0, [])


def test_nobody_looks_for_ever(line: Line) -> None:
    line.sending()
    line.hear(Mark.DELIVERED)

    line.wait(NOW + PATIENCE)
    assert line.waiting() == 1
    line.wait(NOW + PATIENCE + AGAIN)

    assert (line.placed(), line.waiting()) == ([], 0)


def test_a_no_that_waited_is_in_the_ledger_when_it_is_placed(line: Line) -> None:
    line.sending()
    line.hear(Mark.FAILED, suppress=True)
    line.answered()

    line.wait(NOW + AGAIN)

    key = ("chat", "+14155550101")
    assert line.store.consents(*key).suppressed == {key: "failed"}
