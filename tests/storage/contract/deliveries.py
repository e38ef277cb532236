"""What every store promises about deliveries, receipts and senders."""

from datetime import datetime
from decimal import Decimal
from threading import Thread

import pytest

from engage.domain.delivery.delivery import Channel, Mark, Priority
from engage.domain.turn.changes import Changes, ReceiptRow
from engage.ports.storage import StorageRefusedError, Store
from tests.storage.contract.given import (
    NOON,
    at,
    delivery,
    delivery_id,
    profile_id,
    run_id,
    save,
    write,
)


class DeliveriesContract:
    """Deliveries are asked for once, claimed by due time, and found by what became of them."""

    def test_a_delivery_comes_back_as_it_was_written(self, store: Store) -> None:
        rich = delivery(
            "ada",
            "d",
            Mark.QUEUED,
            Mark.SENDING,
            template="hello",
            variables={"n": Decimal("1.10")},
            to="+15005550006",
            run=run_id("r"),
            journey="welcome",
            version=2,
            step="hello",
            visit=3,
            context={"entry": {"a": [1]}},
            expires_at=at(60),
            lease="worker-1",
            lease_until=at(30.000001),
            attempts=2,
        )

        save(store, rich)

        with store.transaction() as tx:
            assert tx.deliveries.get([rich.id, delivery_id("none")]) == {rich.id: rich}

    def test_a_delivery_is_written_over(self, store: Store) -> None:
        one = delivery("ada", "d", Mark.QUEUED)
        save(store, one)
        one.add(Mark.ACCEPTED)
        one.provider_id, one.due_at = "SM1", None

        save(store, one)

        with store.transaction() as tx:
            assert tx.deliveries.get([one.id]) == {one.id: one}
            assert tx.deliveries.candidates(Channel.SMS, Priority.LIVE, at(9), 9) == []

    def test_a_visit_of_a_step_cannot_ask_twice(self, store: Store) -> None:
        save(store, delivery("ada", "one", run=run_id("r"), step="hello", visit=1))

        with pytest.raises(StorageRefusedError):
            save(store, delivery("ada", "two", run=run_id("r"), step="hello", visit=1))

        with store.transaction() as tx:
            assert tx.deliveries.get([delivery_id("two")]) == {}

    def test_another_visit_step_or_run_may_ask(self, store: Store) -> None:
        save(store, delivery("ada", "1", run=run_id("r"), step="hello", visit=1))

        save(
            store,
            delivery("ada", "2", run=run_id("r"), step="hello", visit=2),
            delivery("ada", "3", run=run_id("r"), step="bye", visit=1),
            delivery("ada", "4", run=run_id("s"), step="hello", visit=1),
            delivery("ada", "5"),
            delivery("ada", "6"),
        )

        with store.transaction() as tx:
            assert len(tx.deliveries.get([delivery_id(str(n)) for n in range(1, 7)])) == 6

    def test_two_at_once_cannot_both_ask(self, store: Store) -> None:
        refused = []

        def ask(name: str) -> None:
            try:
                save(store, delivery("ada", name, run=run_id("r"), step="hello"))
            except StorageRefusedError:
                refused.append(name)

        threads = [Thread(target=ask, args=(name,)) for name in ("one", "two", "three")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

        assert len(refused) == 2

    def test_candidates_are_due_of_their_kind_and_earliest_first(self, store: Store) -> None:
        save(
            store,
            delivery("ada", "late", Mark.QUEUED, due_at=at(3)),
            delivery("bob", "early", Mark.HELD, due_at=at(1)),
            delivery("ada", "future", Mark.QUEUED, due_at=at(3.1)),
            delivery("ada", "never", Mark.QUEUED, due_at=None),
            delivery("ada", "gone", Mark.SENDING, due_at=at(0)),
            delivery("ada", "mail", Mark.QUEUED, channel=Channel.EMAIL),
            delivery("ada", "bulk", Mark.QUEUED, priority=Priority.BULK),
        )

        with store.transaction() as tx:
            found = tx.deliveries.candidates(Channel.SMS, Priority.LIVE, at(3), 10)
            first = tx.deliveries.candidates(Channel.SMS, Priority.LIVE, at(3), 1)
            work = tx.deliveries.due_work(at(3))

        assert found == [
            (delivery_id("early"), profile_id("bob")),
            (delivery_id("late"), profile_id("ada")),
        ]
        assert first == found[:1]
        assert work == {
            (Channel.SMS, Priority.LIVE),
            (Channel.EMAIL, Priority.LIVE),
            (Channel.SMS, Priority.BULK),
        }

    def test_nothing_due_is_no_work(self, store: Store) -> None:
        save(store, delivery("ada", "d", Mark.QUEUED, due_at=at(1)))

        with store.transaction() as tx:
            assert tx.deliveries.due_work(at(0.9)) == set()
            assert tx.deliveries.get([]) == {}
            assert tx.deliveries.waiting([]) == {}
            assert tx.deliveries.accepted_since([], at(0)) == {}
            assert tx.deliveries.addressed_before([]) == set()
            tx.deliveries.save([])

    def test_what_waits_of_a_run_is_queued_or_held(self, store: Store) -> None:
        mine = {"run": run_id("r"), "step": "hello"}
        save(
            store,
            delivery("ada", "queued", Mark.QUEUED, visit=1, **mine),
            delivery("ada", "held", Mark.HELD, visit=2, due_at=None, **mine),
            delivery("ada", "sending", Mark.SENDING, visit=3, **mine),
            delivery("ada", "accepted", Mark.ACCEPTED, visit=4, **mine),
            delivery("ada", "other", Mark.QUEUED, run=run_id("s"), step="hello"),
        )

        with store.transaction() as tx:
            assert set(tx.deliveries.waiting([run_id("r")])) == {delivery_id("queued"), delivery_id("held")}

    def test_expired_leases_are_found_with_their_worker(self, store: Store) -> None:
        save(
            store,
            delivery("ada", "b", Mark.SENDING, lease="w2", lease_until=at(2)),
            delivery("ada", "a", Mark.SENDING, lease="w1", lease_until=at(1)),
            delivery("ada", "running", Mark.SENDING, lease="w1", lease_until=at(3)),
            delivery("ada", "over", Mark.ACCEPTED, lease="w1", lease_until=at(1)),
        )

        with store.transaction() as tx:
            assert tx.deliveries.expired_leases(at(3), 10) == [
                (delivery_id("a"), profile_id("ada"), "w1"),
                (delivery_id("b"), profile_id("ada"), "w2"),
            ]
            assert len(tx.deliveries.expired_leases(at(3), 1)) == 1

    def test_unknown_outcomes_are_found_when_the_next_question_is_due(self, store: Store) -> None:
        save(
            store,
            delivery("ada", "later", Mark.UNKNOWN, due_at=at(2)),
            delivery("ada", "now", Mark.UNKNOWN, due_at=at(1)),
            delivery("ada", "future", Mark.UNKNOWN, due_at=at(3)),
            delivery("ada", "known", Mark.UNKNOWN, Mark.ACCEPTED, due_at=at(1)),
            delivery("ada", "queued", Mark.QUEUED, due_at=at(1)),
        )

        with store.transaction() as tx:
            assert tx.deliveries.unknown(at(2), 10) == [
                (delivery_id("now"), profile_id("ada")),
                (delivery_id("later"), profile_id("ada")),
            ]
            assert len(tx.deliveries.unknown(at(2), 1)) == 1

    def test_the_next_thing_due_is_a_release_or_a_question(self, store: Store) -> None:
        def next_due() -> datetime | None:
            with store.transaction() as tx:
                return tx.deliveries.next_due()

        assert next_due() is None
        save(store, delivery("ada", "q", Mark.QUEUED, due_at=at(5)), delivery("ada", "gone", Mark.ACCEPTED))
        assert next_due() == at(5)
        save(store, delivery("ada", "u", Mark.UNKNOWN, due_at=at(4)))
        assert next_due() == at(4)
        save(
            store,
            delivery("ada", "h", Mark.HELD, due_at=at(3), channel=Channel.VOICE, priority=Priority.URGENT),
        )
        assert next_due() == at(3)

    def test_a_reply_may_answer_what_was_accepted_lately_at_the_address(self, store: Store) -> None:
        here = (Channel.SMS, "+1")
        save(
            store,
            delivery("ada", "old", Mark.ACCEPTED, address="+1", accepted_at=at(0.9)),
            delivery("ada", "first", Mark.ACCEPTED, address="+1", accepted_at=at(1)),
            delivery("bob", "second", Mark.DELIVERED, address="+1", accepted_at=at(2)),
            delivery("bob", "failed", Mark.FAILED, address="+1"),
            delivery("bob", "else", Mark.ACCEPTED, address="+2", accepted_at=at(2)),
            delivery("bob", "call", Mark.ACCEPTED, address="+1", accepted_at=at(2), channel=Channel.VOICE),
        )

        with store.transaction() as tx:
            found = tx.deliveries.recent_to([here, (Channel.CHAT, "+2")], at(1))
            assert tx.deliveries.recent_to([], at(1)) == {}

        assert [one.id for one in found[here]] == [delivery_id("second"), delivery_id("first")]
        assert found[Channel.CHAT, "+2"] == []

    def test_a_silent_channel_is_told_from_one_that_speaks_of_later_sends(self, store: Store) -> None:
        def hear(name: str, channel: Channel, called: float) -> None:
            sent = delivery("ada", name, Mark.ACCEPTED, channel=channel, sending_at=at(called))
            receipt = ReceiptRow(
                delivery=sent.id, profile=sent.profile, receipt_id="r", mark=Mark.DELIVERED, at=at(99)
            )
            write(store, Changes(deliveries={sent.id: sent}, receipts=[receipt]))

        hear("a", Channel.EMAIL, 5)
        hear("b", Channel.EMAIL, 3)
        hear("c", Channel.SMS, 9)
        save(store, delivery("ada", "unheard", Mark.ACCEPTED, channel=Channel.EMAIL, sending_at=at(8)))

        with store.transaction() as tx:
            assert tx.deliveries.heard_of_later(Channel.EMAIL, at(4.9))
            assert not tx.deliveries.heard_of_later(Channel.EMAIL, at(5))
            assert tx.deliveries.heard_of_later(Channel.SMS, at(5))
            assert not tx.deliveries.heard_of_later(Channel.VOICE, at(0))

    def test_provider_ids_are_found_by_address(self, store: Store) -> None:
        here = {"address": "+1500", "channel": Channel.SMS}
        save(
            store,
            delivery("ada", "1", provider_id="SM1", **here),
            delivery("bob", "2", provider_id="SM2", **here),
            delivery("ada", "3", provider_id=None, **here),
            delivery("ada", "4", provider_id="SM4", address="+1600"),
            delivery("ada", "5", provider_id="CA5", address="+1500", channel=Channel.VOICE),
        )

        with store.transaction() as tx:
            assert tx.deliveries.ids_at(Channel.SMS, "+1500") == {"SM1", "SM2"}

    def test_what_is_in_doubt_is_found_by_address(self, store: Store) -> None:
        here = {"address": "+1500", "channel": Channel.SMS}
        save(
            store,
            delivery("ada", "1", Mark.SENDING, **here),
            delivery("bob", "2", Mark.UNKNOWN, **here),
            delivery("ada", "3", Mark.SENDING, Mark.FAILED, reason="unknown_outcome", **here),
            delivery("ada", "4", Mark.SENDING, Mark.FAILED, reason="blocked", **here),
            delivery("ada", "5", Mark.SENDING, Mark.ACCEPTED, accepted_at=at(1), **here),
            delivery("ada", "6", Mark.QUEUED, **here),
            delivery("ada", "7", Mark.UNKNOWN, address="+1600"),
            delivery("ada", "8", Mark.UNKNOWN, address="+1500", channel=Channel.VOICE),
        )

        with store.transaction() as tx:
            found = tx.deliveries.in_doubt_at(Channel.SMS, "+1500")

        assert {one.id for one in found} == {delivery_id(name) for name in "123"}

    def test_caps_see_what_was_accepted_and_what_may_be(self, store: Store) -> None:
        save(
            store,
            delivery("ada", "old", Mark.ACCEPTED, accepted_at=at(0.9)),
            delivery("ada", "accepted", Mark.DELIVERED, accepted_at=at(3)),
            delivery("ada", "sending", Mark.SENDING, sending_at=at(2), channel=Channel.EMAIL, topic=None),
            delivery("ada", "unknown", Mark.UNKNOWN, sending_at=at(1)),
            delivery("ada", "failed", Mark.FAILED, sending_at=at(2)),
            delivery("bob", "queued", Mark.QUEUED),
        )

        with store.transaction() as tx:
            found = tx.deliveries.accepted_since([profile_id("ada"), profile_id("bob")], at(1))

        assert found == {
            profile_id("ada"): [
                (Channel.SMS, "news", at(1)),
                (Channel.EMAIL, None, at(2)),
                (Channel.SMS, "news", at(3)),
            ],
            profile_id("bob"): [],
        }

    def test_addresses_that_got_an_sms_of_the_topic_are_known(self, store: Store) -> None:
        save(
            store,
            delivery("ada", "1", Mark.ACCEPTED, address="+1", accepted_at=NOON),
            delivery("ada", "2", Mark.ACCEPTED, address="+2", accepted_at=NOON, topic="other"),
            delivery("ada", "3", Mark.FAILED, address="+3"),
            delivery("ada", "4", Mark.ACCEPTED, address="+4", accepted_at=NOON, channel=Channel.VOICE),
            delivery("ada", "5", Mark.ACCEPTED, address="+5", accepted_at=NOON, channel=Channel.MMS),
            delivery("ada", "6", Mark.ACCEPTED, address="+6", accepted_at=NOON, topic=None),
        )

        with store.transaction() as tx:
            asked = [("news", f"+{n}") for n in range(7)]
            assert tx.deliveries.addressed_before(asked) == {("news", "+1"), ("news", "+5")}
            assert tx.deliveries.addressed_before([("", "+5"), ("", "+6")]) == {("", "+6")}
            assert tx.deliveries.texted([f"+{n}" for n in range(7)]) == {"+1", "+2", "+5", "+6"}
            assert tx.deliveries.texted([]) == set()

    def test_a_receipt_is_kept_once(self, store: Store) -> None:
        receipt = ReceiptRow(
            delivery=delivery_id("d"), profile=profile_id("ada"), receipt_id="e1", mark=Mark.OPENED, at=NOON
        )

        write(store, Changes(receipts=[receipt, receipt]))
        write(store, Changes(receipts=[receipt]))
