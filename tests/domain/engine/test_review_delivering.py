"""Delivering when things go wrong: a killed worker, a database that is away, a STOP between two calls, a silent provider."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, ConsentState
from engage.domain.delivery.delivery import Channel, Delivery, Mark, Priority, status_of
from engage.engine.deliver.deliver import Deliver
from engage.engine.deliver.rendering import Requests
from engage.engine.settle.settle import Settle
from engage.ports.channel import Accepted, CannotSay, Outbound, Question, Unknown
from engage.ports.channel import Answer as SendAnswer
from engage.ports.clock import NoHints
from engage.ports.storage import StorageAwayError, Store, Transaction
from engage.storage.memory import MemoryStore
from engage.templating import compile_templates
from engage.testing.links import links_of
from tests.domain.engine.house import House

SECURITY = {"topics": {"security": {"transactional": True, "duplicates": "never_lost"}}}
HELLO = {"journey": "j", "trigger": {"event": "Go"}, "steps": [{"sms": {"text": "hello"}}]}


class KilledError(BaseException):
    """The process was killed."""


@dataclass
class Phone:
    """A provider of SMS that does what a test says."""

    what: Callable[[Outbound], SendAnswer]
    provider: str = "phone"

    def send(self, outbound: Outbound) -> SendAnswer:
        return self.what(outbound)

    def ask(self, question: Question) -> CannotSay:
        return CannotSay()


class Away:
    """A store whose database is away for a while. Implements `Store`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.failures = 0

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        if self.failures:
            self.failures -= 1
            raise StorageAwayError("away")
        with self._store.transaction() as tx:
            yield tx

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def deliver_with(house: House, phone: Phone, store: Store | None = None) -> Deliver:
    templates, _ = compile_templates([], {})
    return Deliver(
        store or house.store,
        house.compiled.catalog_of,
        lambda tx: templates,
        {Channel.SMS: phone},
        Requests(links_of),
        house.clock,
        NoHints(),
        worker="w",
        slot_horizon=0.0,
    )


def deliveries(house: House) -> list[Delivery]:
    rows = house.store.look().deliveries.all()
    return sorted((msgspec.json.decode(row.doc, type=Delivery) for row in rows), key=lambda d: d.id)


def digest_everything(house: House) -> None:
    for lane in range(64):
        while house.world.digest.turn(lane, house.clock.now()).more:
            pass


def asked(house: House, *users: str) -> None:
    """Have each of these people wait for one SMS that nobody has released yet."""
    for number, user in enumerate(users):
        house.identify(user, phone=f"+1415555010{number}")
        house.track(user, "Go")
    house.world.backfill.turn(house.world.backfill.open_jobs()[0], house.clock.now())
    digest_everything(house)


def test_a_refusal_survives_the_death_of_its_worker_during_the_calls_of_its_neighbours() -> None:
    house = House()
    house.publish(HELLO)
    house.track("nobody", "Go")
    asked(house, "ada")

    def die(outbound: Outbound) -> SendAnswer:
        raise KilledError

    with pytest.raises(KilledError):
        deliver_with(house, Phone(die)).turn(Channel.SMS, Priority.LIVE)
    digest_everything(house)

    refused = [delivery for delivery in deliveries(house) if delivery.address is None]
    assert [(delivery.status, delivery.reason) for delivery in refused] == [(Mark.SKIPPED, "no_address")]


def test_an_outcome_is_kept_until_the_database_takes_it() -> None:
    house = House()
    house.publish(HELLO)
    asked(house, "ada")
    away = Away(house.store)

    def take(outbound: Outbound) -> SendAnswer:
        away.failures = 100
        return Accepted(provider_id="p-1")

    deliver = deliver_with(house, Phone(take), away)
    with pytest.raises(StorageAwayError):
        deliver.turn(Channel.SMS, Priority.LIVE)
    away.failures = 0
    deliver.turn(Channel.SMS, Priority.LIVE)
    digest_everything(house)

    assert [(one.status, one.provider_id) for one in deliveries(house)] == [(Mark.ACCEPTED, "p-1")]


def test_a_sender_that_raises_leaves_an_unknown_outcome_and_its_neighbours_alone() -> None:
    house = House()
    house.publish(HELLO)
    asked(house, "ada", "bob")

    def stumble(outbound: Outbound) -> SendAnswer:
        if outbound.to.endswith("0"):
            raise ValueError("a mistake")
        return Accepted(provider_id="p-1")

    deliver_with(house, Phone(stumble)).turn(Channel.SMS, Priority.LIVE)
    digest_everything(house)

    assert sorted(one.status for one in deliveries(house)) == [Mark.ACCEPTED, Mark.UNKNOWN]


def test_a_stop_is_heard_by_calls_that_waited_for_their_turn() -> None:
    house = House()
    house.publish(HELLO)
    asked(house, "ada", "bob")
    called: list[str] = []

    def stop_the_other(outbound: Outbound) -> SendAnswer:
        called.append(outbound.to)
        other = "+14155550101" if outbound.to == "+14155550100" else "+14155550100"
        with house.store.transaction() as tx:
            entry = ConsentEntry(
                channel="sms",
                topic=EVERY_TOPIC,
                state=ConsentState.UNSUBSCRIBED,
                at=house.clock.now(),
                source="twilio:stop",
                address=other,
            )
            tx.consents.append([entry])
        house.clock.move_to(house.clock.now() + timedelta(seconds=5))
        return Accepted(provider_id="p-1")

    deliver_with(house, Phone(stop_the_other)).turn(Channel.SMS, Priority.LIVE)
    digest_everything(house)

    assert len(called) == 1
    assert sorted((one.status, one.reason) for one in deliveries(house)) == [
        (Mark.ACCEPTED, None),
        (Mark.SKIPPED, "unsubscribed"),
    ]


def test_what_must_never_be_lost_is_sent_again_when_nobody_can_say_for_an_hour() -> None:
    house = House(settings=SECURITY)
    house.publish({**HELLO, "topic": "security"})
    asked(house, "ada")
    calls: list[str] = []

    def silent(outbound: Outbound) -> SendAnswer:
        calls.append(outbound.to)
        return Unknown() if len(calls) == 1 else Accepted(provider_id="p-2")

    phone = Phone(silent)
    deliver = deliver_with(house, phone)
    settle = Settle(house.store, house.compiled.catalog_of, {Channel.SMS: phone}, house.clock, NoHints())
    for _ in range(70):
        deliver.turn(Channel.SMS, Priority.LIVE)
        digest_everything(house)
        house.clock.move_to(house.clock.now() + timedelta(minutes=1))
        settle.turn()
        digest_everything(house)

    assert len(calls) == 2
    assert [one.status for one in deliveries(house)] == [Mark.ACCEPTED]


def test_a_deferred_mail_was_taken() -> None:
    assert status_of([Mark.DEFERRED], Channel.EMAIL, Mark.UNKNOWN) is Mark.ACCEPTED


def test_the_call_of_a_dead_worker_is_judged_before_anybody_is_asked_about_other_calls() -> None:
    house = House()
    house.publish(HELLO)
    for number in range(2):
        house.identify(f"u{number}", phone=f"+1415555{number:04}")
        house.track(f"u{number}", "Go")
    digest_everything(house)
    deliver_with(house, Phone(lambda _: Unknown())).turn(Channel.SMS, Priority.LIVE)
    digest_everything(house)
    assert [one.status for one in deliveries(house)] == [Mark.UNKNOWN] * 2
    lost, asked = deliveries(house)
    with house.store.transaction() as tx:
        (found,) = tx.deliveries.get([lost.id]).values()
        found.lease, found.lease_until = "dead", house.clock.now()
        found.stand(Mark.SENDING, None)
        tx.deliveries.save([found])
    judged: list[int] = []

    @dataclass
    class Slow(Phone):
        def ask(self, question: Question) -> CannotSay:
            assert question.delivery == asked.id
            judged.append(len(house.store.look().inbox.all()))
            return CannotSay()

    house.clock.move_to(house.clock.now() + timedelta(minutes=5))
    providers = {Channel.SMS: Slow(lambda _: Unknown())}
    done = Settle(house.store, house.compiled.catalog_of, providers, house.clock, NoHints()).turn()

    assert (done.lost_workers, done.asked, judged) == (1, 1, [1])


def test_a_provider_that_answers_no_question_is_asked_about_many_calls_at_once() -> None:
    house = House()
    house.publish(HELLO)
    for number in range(6):
        house.identify(f"u{number}", phone=f"+1415555{number:04}")
        house.track(f"u{number}", "Go")
    digest_everything(house)
    deliver_with(house, Phone(lambda _: Unknown())).turn(Channel.SMS, Priority.LIVE)
    digest_everything(house)
    together = threading.Barrier(6, timeout=10)

    @dataclass
    class Slow(Phone):
        def ask(self, question: Question) -> CannotSay:
            together.wait()
            return CannotSay()

    house.clock.move_to(house.clock.now() + timedelta(minutes=5))
    providers = {Channel.SMS: Slow(lambda _: Unknown())}
    with ThreadPoolExecutor(6) as pool:
        settle = Settle(house.store, house.compiled.catalog_of, providers, house.clock, NoHints(), pool=pool)

        assert settle.turn().asked == 6
