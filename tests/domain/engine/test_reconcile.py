"""What a provider took and never told the end of is asked about, page by page; nothing is passed that it did not answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from engage.domain.delivery.delivery import Channel, Mark, Priority
from engage.domain.fact import Receipt
from engage.domain.ids import DeliveryId
from engage.engine.receive import receipt_piece
from engage.engine.settle import reconcile
from engage.engine.settle.reconcile import LOOKS, OLDEST, PATIENCE, Reconcile
from engage.ports.channel import Accepted, Answer, CannotSay, Outbound, Question, Sent
from engage.ports.clock import NoHints
from tests.domain.engine.house import House
from tests.domain.engine.test_review_delivering import (
    HELLO,
    Phone,
    deliver_with,
    deliveries,
    digest_everything,
)

MINUTE = timedelta(minutes=1)
FIRST = LOOKS[0]


@dataclass
class Teller:
    """A provider of SMS that takes everything, and tells the end only when asked."""

    provider: str = "phone"
    asked: list[DeliveryId] = field(default_factory=list)
    silent: set[DeliveryId] = field(default_factory=set)
    is_away: bool = False

    def send(self, outbound: Outbound) -> Answer:
        return Accepted(provider_id=f"SM-{outbound.to}")

    def ask(self, question: Question) -> CannotSay:
        return CannotSay()

    def fate(self, sent: Sent) -> Sequence[Receipt] | None:
        self.asked.append(sent.delivery)
        return None if self.is_away or sent.delivery in self.silent else (ending(sent),)


def ending(sent: Sent) -> Receipt:
    return Receipt(
        delivery=sent.delivery,
        mark=Mark.DELIVERED,
        at=sent.asked_at,
        receipt_id=f"{sent.provider_id}:delivered:",
        provider="phone",
        provider_id=sent.provider_id,
    )


class Street:
    """People who all were sent a text whose callbacks were lost."""

    def __init__(self) -> None:
        self.house, self.teller = House(), Teller()
        self.house.publish(HELLO)
        self.room = Reconcile(self.house.store, {Channel.SMS: self.teller}, self.house.clock, NoHints())
        self._count = 0

    def text(self, people: int, *, leaves: bool = True) -> None:
        for _ in range(people):
            self._count += 1
            self.house.identify(f"u{self._count}", phone=f"+1415555{self._count:04}")
            self.house.track(f"u{self._count}", "Go")
        digest_everything(self.house)
        if leaves:
            self.leave()

    def leave(self) -> None:
        while deliver_with(self.house, Phone(self.teller.send)).turn(Channel.SMS, Priority.LIVE).more:
            pass
        digest_everything(self.house)

    def pass_time(self, time: timedelta) -> None:
        self.house.clock.move_to(self.house.clock.now() + time)

    def look(self) -> bool:
        more = self.room.turn()
        digest_everything(self.house)
        return more

    def statuses(self) -> list[Mark]:
        return [one.status for one in deliveries(self.house)]


def test_nobody_is_asked_before_the_provider_has_said_its_last_word() -> None:
    street = Street()
    street.text(1)

    street.pass_time(FIRST - MINUTE)
    street.look()

    assert (street.teller.asked, street.statuses()) == ([], [Mark.ACCEPTED])


def test_a_lost_end_is_asked_for_once() -> None:
    street = Street()
    street.text(1)
    street.pass_time(FIRST + MINUTE)

    assert not street.look()
    assert street.statuses() == [Mark.DELIVERED]
    for _ in range(30):
        street.pass_time(timedelta(hours=12))
        street.look()
    assert len(street.teller.asked) == 1


def test_a_text_that_left_some_time_after_it_was_asked_for_is_asked_about_by_the_first_look() -> None:
    street = Street()
    street.text(1, leaves=False)
    street.pass_time(80 * MINUTE)
    street.leave()

    for _ in range(13 * 60 // 5):
        street.pass_time(5 * MINUTE)
        street.look()

    assert (len(street.teller.asked), street.statuses()) == (1, [Mark.DELIVERED])


def test_a_callback_that_comes_after_all_is_no_second_receipt() -> None:
    street = Street()
    street.text(1)
    street.pass_time(FIRST + MINUTE)
    street.look()
    (delivery,) = deliveries(street.house)
    assert delivery.provider_id is not None
    now = street.house.clock.now()
    late = ending(Sent(delivery=delivery.id, provider_id=delivery.provider_id, asked_at=now))

    with street.house.store.transaction() as tx:
        stored = tx.inbox.add([receipt_piece(delivery.lane, late, now).fact])

    assert stored == [False]


def test_a_round_asks_fifty_questions_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PAGE", 7)
    monkeypatch.setattr(reconcile, "QUESTIONS", 5)
    street = Street()
    street.text(24)
    street.pass_time(FIRST + MINUTE)

    rounds = 1
    while street.look():
        rounds += 1
        assert len(street.teller.asked) <= 5 * rounds

    assert sorted(street.teller.asked) == [one.id for one in deliveries(street.house)]
    assert set(street.statuses()) == {Mark.DELIVERED}


def test_a_provider_that_is_away_is_asked_again_and_nobody_is_passed() -> None:
    street = Street()
    street.text(3)
    street.pass_time(FIRST + MINUTE)
    street.teller.is_away = True
    assert not street.look()
    street.pass_time(timedelta(days=1, hours=1))
    assert not street.look()
    assert set(street.statuses()) == {Mark.ACCEPTED}

    street.teller.is_away = False
    street.look()

    assert set(street.statuses()) == {Mark.DELIVERED}


def test_whoever_was_not_answered_is_asked_again_and_holds_up_later_ones_for_a_day_at_most() -> None:
    street = Street()
    street.text(2)
    first = deliveries(street.house)[0].id
    street.teller.silent = {first}
    street.pass_time(FIRST + MINUTE)
    street.look()
    street.look()
    assert street.teller.asked.count(first) == 2

    street.text(1)
    street.pass_time(PATIENCE + MINUTE)
    street.look()
    asked = street.teller.asked.count(first)
    street.look()

    assert street.teller.asked.count(first) == asked
    assert sorted(street.statuses()) == [Mark.ACCEPTED, Mark.DELIVERED, Mark.DELIVERED]


def test_what_was_held_and_left_late_is_found_by_a_later_look() -> None:
    street = Street()
    street.text(1, leaves=False)
    street.pass_time(FIRST + MINUTE)
    street.text(1)  # both leave now
    street.look()
    assert street.teller.asked == []

    street.pass_time(timedelta(days=2))
    street.look()

    assert street.statuses() == [Mark.DELIVERED, Mark.DELIVERED]


def test_nobody_asks_about_years() -> None:
    street = Street()
    street.text(1)
    street.pass_time(OLDEST + MINUTE)

    assert not street.look()

    assert street.teller.asked == []
