"""What every store promises to faces about the whole project."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.fact import Send, encode
from engage.domain.turn.changes import Changes, Quarantined, ReceiptRow
from engage.ports.reading import (
    Asked,
    Counts,
    JourneyNumbers,
    Reading,
    StatusCount,
    StepNumbers,
)
from engage.ports.storage import Job, Store
from tests.storage.contract.given import (
    LANE,
    NOON,
    at,
    delivery,
    delivery_id,
    event,
    fact,
    profile_id,
    run,
    run_id,
    runs,
    save,
    timer,
    timers,
    write,
)
from tests.storage.contract.reading_person import paged

ADA = profile_id("ada")


class ProjectReadingContract:
    """Lists and numbers of the whole project."""

    def test_a_delivery_is_shown_with_its_receipts_oldest_first(self, store: Store, reading: Reading) -> None:
        sent = delivery("ada", "d", Mark.ACCEPTED)
        receipts = [
            ReceiptRow(
                delivery=sent.id,
                profile=ADA,
                receipt_id=name,
                mark=mark,
                at=at(after),
                provider="twilio",
                data={"url": "x"},
            )
            for name, mark, after in (("b", Mark.OPENED, 2), ("a", Mark.DELIVERED, 1))
        ]
        write(store, Changes(deliveries={sent.id: sent}, receipts=receipts))

        seen = reading.delivery(sent.id)

        assert seen is not None
        assert (seen.delivery, list(seen.receipts)) == (sent, receipts[::-1])
        assert reading.delivery(delivery_id("none")) is None

    def test_a_wish_for_a_delivery_is_read_until_it_is_digested(self, store: Store, reading: Reading) -> None:
        send = Send(message_id="send:1", delivery=delivery_id("1"), channel="sms", to="+15005550006")
        with store.transaction() as tx:
            tx.inbox.add([fact("of the same instant"), fact("send:1", payload=encode(send))])

        asked = reading.asked("key", "send:1")
        with store.transaction() as tx:
            tx.inbox.remove([row.seq for row in tx.inbox.read(LANE, 10)])

        assert asked == Asked(send=send, at=NOON)
        assert reading.asked("key", "send:2") is None
        assert reading.asked("another", "send:1") is None
        assert reading.asked("key", "send:1") is None

    def test_recent_unknown_and_quarantined_are_listed(self, store: Store, reading: Reading) -> None:
        save(
            store,
            *(delivery("ada", f"d{n}", Mark.UNKNOWN, due_at=at(n)) for n in range(3)),
            delivery("bob", "q"),
        )
        facts = [
            Quarantined(
                source="s", reason="bad", detail=str(n), payload=b"\xff", received_at=at(n), lane=n or None
            )
            for n in range(3)
        ]
        with store.transaction() as tx:
            tx.inbox.quarantine(facts)

        recent = paged(lambda after, limit: reading.recent_deliveries(after, limit), 3)
        unknown = paged(lambda after, limit: reading.unknown_deliveries(after, limit), 2)
        kept = paged(lambda after, limit: reading.quarantine(after, limit), 2)

        ids = [one.delivery.id for one in recent]
        assert (len(ids), ids) == (4, sorted(ids, reverse=True))
        assert [one.id for one in unknown] == [delivery_id(f"d{n}") for n in range(3)]
        assert [one.fact for one in kept] == facts[::-1]
        assert reading.quarantine_reasons() == {"bad": 3}

    def test_numbers_of_a_journey(self, store: Store, reading: Reading) -> None:
        write(
            store,
            runs(
                run("ada", "1", visits={"hello": 1, "wait": 2}, step="wait"),
                run("bob", "2", visits={"hello": 1}, step="hello"),
                run("cyd", "3", visits={"hello": 1}, ended_at=at(1), reason="goal", goal_at=at(1)),
                run("dan", "4", version=2, visits={"hello": 1}, ended_at=at(1), reason="completed"),
                run("eve", "5", journey="other", visits={"hello": 1}),
            ),
        )
        save(
            store,
            delivery("ada", "a", Mark.ACCEPTED, journey="welcome"),
            delivery("bob", "b", Mark.ACCEPTED, journey="welcome"),
            delivery("bob", "c", Mark.SKIPPED, journey="welcome", reason="capped"),
            delivery("bob", "d", Mark.SKIPPED, journey="other"),
        )

        assert reading.journey("welcome") == JourneyNumbers(
            funnel=[
                StepNumbers(version=1, step="hello", entered=3, waiting=1),
                StepNumbers(version=1, step="wait", entered=1, waiting=1),
                StepNumbers(version=2, step="hello", entered=1, waiting=0),
            ],
            active={1: 2},
            ended={"goal": 1, "completed": 1},
            goals=1,
            deliveries=[
                StatusCount(channel="sms", status="accepted", reason=None, count=2),
                StatusCount(channel="sms", status="skipped", reason="capped", count=1),
            ],
        )
        assert [one.left for one in reading.journey("welcome").funnel] == [2, 0, 1]
        assert reading.journey("nobody's") == JourneyNumbers()

    def test_entries_are_counted_from_an_instant_on(self, store: Store, reading: Reading) -> None:
        write(
            store,
            runs(
                run("ada", "1", entered_at=at(1)),
                run("bob", "2", entered_at=at(2)),
                run("cyd", "3", entered_at=at(3), ended_at=at(4), reason="completed"),
                run("eve", "4", entered_at=at(3), journey="other"),
            ),
        )

        assert [reading.entered_since("welcome", at(hour)) for hour in (0, 2, 3, 4)] == [3, 2, 1, 0]

    def test_people_are_counted_by_what_they_did(self, store: Store, reading: Reading) -> None:
        write(
            store,
            Changes(
                events=[
                    event("ada", "Order Completed", 1),
                    event("ada", "Order Completed", 3),
                    event("bob", "Order Refunded", 2),
                    event("cyd", "Order%", 3),
                    event("eve", "Looked", 3),
                ]
            ),
        )

        assert reading.did_since(["Order Completed"], at(0)) == 1
        assert reading.did_since(["Order*", "Looked"], at(2)) == 4
        assert reading.did_since(["Order%"], at(0)) == 1
        assert reading.did_since(["Order"], at(0)) == 0

    def test_totals_count_what_a_later_fact_implies(self, store: Store, reading: Reading) -> None:
        def told(name: str, *marks: Mark, channel: Channel = Channel.SMS, **fields: object) -> Delivery:
            return delivery("ada", name, *marks, journey="welcome", channel=channel, **fields)

        write(store, runs(run("ada", "1"), run("bob", "2"), run("cyd", "3", journey="silent", ended_at=NOON)))
        save(
            store,
            told("replied", Mark.ACCEPTED, Mark.CLICKED, Mark.REPLIED),
            told("opened", Mark.OPENED),
            told("sent", Mark.ACCEPTED, Mark.SENT),
            told("failed", Mark.ACCEPTED, Mark.UNDELIVERED),
            told("unknown", Mark.UNKNOWN),
            told("queued"),
            told("capped", Mark.SKIPPED, reason="capped", channel=Channel.EMAIL),
            delivery("ada", "free", Mark.DELIVERED, channel=Channel.EMAIL),
        )

        totals = reading.totals()

        of_sms: dict[str, Any] = {
            "sent": 4,
            "delivered": 2,
            "opened": 2,
            "clicked": 1,
            "replied": 1,
            "failed": 1,
            "unknown": 1,
        }
        assert totals.journeys == {
            "welcome": Counts(entered=2, skipped={"capped": 1}, **of_sms),
            "silent": Counts(entered=1),
        }
        assert totals.channels == {
            "sms": Counts(entered=6, **of_sms),
            "email": Counts(entered=2, sent=1, delivered=1, skipped={"capped": 1}),
        }

    def test_an_empty_project_is_idle(self, reading: Reading) -> None:
        assert reading.is_idle(NOON)
        assert not reading.any_delivered()
        assert set(reading.queues(NOON).values()) == {0}
        assert (reading.lags(NOON), reading.untimed()) == ({}, {})

    def test_queues_tell_what_waits_and_for_how_long(self, store: Store, reading: Reading) -> None:
        with store.transaction() as tx:
            tx.inbox.add([fact("a", received_at=at(-5)), fact("b", lane=3, received_at=at(-2.5))])
            tx.inbox.quarantine([Quarantined(source="", reason="", detail="", payload=b"", received_at=NOON)])
            tx.jobs.save(Job(name="b", kind="backfill"))
            tx.write(timers(timer("ada", "x", -3), timer("ada", "y", 1)))
            tx.write(runs(run("ada"), run("bob", ended_at=NOON)))
            tx.definitions.publish([])
        save(
            store,
            delivery("ada", "q", Mark.QUEUED, due_at=at(-1)),
            delivery("ada", "h", Mark.HELD, due_at=at(1)),
            delivery("ada", "s", Mark.SENDING, lease_until=at(9)),
            delivery("ada", "u", Mark.UNKNOWN),
        )

        assert reading.queues(NOON) == {
            "inbox": 2,
            "inbox_oldest_seconds": 5,
            "timers_due": 1,
            "timers_due_oldest_seconds": 3,
            "deliveries_due": 1,
            "deliveries_due_oldest_seconds": 1,
            "sending": 1,
            "unknown": 1,
            "quarantine": 1,
            "jobs": 1,
            "deliveries_later": 1,
            "active_runs": 1,
            "epoch": 1,
        }
        assert reading.lags(NOON) == {7: 5, 3: 2.5}

    @pytest.mark.parametrize(
        ("busy", "until"),
        [
            (lambda tx: tx.inbox.add([fact("a")]), NOON),
            (lambda tx: tx.write(timers(timer("ada", "x", 0))), NOON),
            (lambda tx: tx.deliveries.save([delivery("ada", "q", Mark.QUEUED)]), NOON),
            (lambda tx: tx.deliveries.save([delivery("ada", "s", Mark.SENDING, lease_until=at(1))]), NOON),
            (lambda tx: tx.deliveries.save([delivery("ada", "u", Mark.UNKNOWN, due_at=at(1))]), NOON),
            (lambda tx: tx.jobs.save(Job(name="b", kind="backfill")), NOON),
        ],
        ids=["fact", "timer", "delivery", "call", "question", "job"],
    )
    def test_whoever_has_work_is_not_idle(
        self, store: Store, reading: Reading, busy: Callable[[object], object], until: datetime
    ) -> None:
        with store.transaction() as tx:
            busy(tx)

        assert not reading.is_idle(until)

    def test_work_of_tomorrow_leaves_today_idle(self, store: Store, reading: Reading) -> None:
        write(store, timers(timer("ada", "x", 1)))
        save(store, delivery("ada", "q", Mark.HELD, due_at=at(1)))

        assert reading.is_idle(NOON)

    def test_a_run_without_a_timer_is_told_from_one_with(self, store: Store, reading: Reading) -> None:
        write(
            store,
            runs(
                run("ada", "1"), run("bob", "2"), run("cyd", "3", ended_at=NOON), run("dan", "4", step=None)
            ),
        )
        write(store, timers(timer("ada", run_id("1"), 60)))

        assert reading.untimed() == {("welcome", 1, "wait"): 1, ("welcome", 1, None): 1}

    @pytest.mark.parametrize(
        ("marks", "told"),
        [
            ((Mark.ACCEPTED,), False),
            ((Mark.DELIVERED,), True),
            ((Mark.CLICKED,), True),
            ((Mark.FAILED,), False),
        ],
    )
    def test_the_first_delivered_is_noticed(
        self, store: Store, reading: Reading, marks: tuple[Mark, ...], told: bool
    ) -> None:
        save(store, delivery("ada", "d", *marks))

        assert reading.any_delivered() is told
