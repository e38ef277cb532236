"""What every store promises about the audit of its ledger."""

from engage.domain.delivery.delivery import Mark
from engage.ports.auditing import Auditing
from engage.ports.storage import Store
from tests.storage.contract.given import (
    at,
    definition,
    delivery,
    delivery_id,
    run,
    run_id,
    runs,
    save,
    timer,
    timers,
    write,
)


class AuditingContract:
    """What has no end, no reason or nothing to wait for is counted; everything else is not."""

    def test_an_empty_ledger_is_sound(self, auditing: Auditing) -> None:
        audit = auditing.audit()

        assert audit.sound
        assert audit.open == 0

    def test_a_delivery_is_open_until_it_has_come_to_an_end(self, store: Store, auditing: Auditing) -> None:
        for number, marks in enumerate([(Mark.QUEUED,), (Mark.HELD,), (Mark.UNKNOWN,), (Mark.ACCEPTED,)]):
            save(store, delivery("ada", str(number), *marks))
        save(store, delivery("ada", "call", Mark.SENDING, lease="w", lease_until=at(9)))

        audit = auditing.audit()

        assert (audit.open, audit.stuck_deliveries) == (4, 0)
        assert audit.sound

    def test_an_open_delivery_that_nothing_moves_is_stuck(self, store: Store, auditing: Auditing) -> None:
        save(store, delivery("ada", "forgotten", Mark.QUEUED, due_at=None))

        audit = auditing.audit()

        assert audit.stuck_deliveries == 1
        assert not audit.sound

    def test_an_end_needs_a_reason_or_a_code(self, store: Store, auditing: Auditing) -> None:
        save(
            store,
            delivery("ada", "skipped", Mark.SKIPPED),
            delivery("ada", "capped", Mark.SKIPPED, reason="capped"),
            delivery("ada", "failed", Mark.ACCEPTED, Mark.FAILED),
            delivery("ada", "coded", Mark.ACCEPTED, Mark.UNDELIVERED, code="30003"),
            delivery("ada", "delivered", Mark.DELIVERED),
        )

        audit = auditing.audit()

        assert audit.unexplained_deliveries == 2
        assert not audit.sound

    def test_an_ended_run_needs_a_reason(self, store: Store, auditing: Auditing) -> None:
        write(
            store,
            runs(
                run("ada", "silent", ended_at=at(5), key="1"),
                run("ada", "told", ended_at=at(5), reason="completed", key="2"),
            ),
        )

        audit = auditing.audit()

        assert audit.unexplained_runs == 1
        assert not audit.sound

    def test_an_active_run_waits_for_a_timer_a_delivery_or_nothing(
        self, store: Store, auditing: Auditing
    ) -> None:
        write(store, runs(*(run("ada", name, key=name) for name in ("timed", "sending", "sent", "lonely"))))
        write(store, timers(timer("ada", run_id("timed"), 60)))
        save(
            store,
            delivery("ada", "on its way", Mark.QUEUED, run=run_id("sending"), step="hello"),
            delivery("ada", "gone", Mark.ACCEPTED, run=run_id("sent"), step="hello"),
        )

        audit = auditing.audit()

        assert audit.stuck_runs == 2
        assert not audit.sound

    def test_a_run_of_a_paused_journey_waits_for_its_journey(self, store: Store, auditing: Auditing) -> None:
        write(store, runs(run("ada", "r")))
        with store.transaction() as tx:
            tx.definitions.publish([definition("welcome")])
            tx.definitions.set_state("journey", "welcome", "paused")

        assert auditing.audit().stuck_runs == 0

        with store.transaction() as tx:
            tx.definitions.set_state("journey", "welcome", "active")
        assert auditing.audit().stuck_runs == 1

    def test_the_references_are_the_accepted_deliveries(self, store: Store, auditing: Auditing) -> None:
        save(
            store,
            delivery("ada", "b", Mark.ACCEPTED, accepted_at=at(1)),
            delivery("ada", "a", Mark.ACCEPTED, Mark.BOUNCED, accepted_at=at(2)),
            delivery("ada", "never", Mark.SKIPPED, reason="capped"),
        )

        assert list(auditing.refs()) == sorted([delivery_id("a"), delivery_id("b")])
