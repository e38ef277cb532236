"""Senders: their rates, slots and slowness."""

from datetime import timedelta
from threading import Thread

import pytest

from engage.ports.storage import Store
from tests.storage.contract.given import (
    NOON,
    at,
    failing,
)


class SendersContract:
    """Slots of a sender are given out once, evenly spaced."""

    def test_slots_are_spaced_and_go_on_where_the_last_one_ended(self, store: Store) -> None:
        with store.transaction() as tx:
            first = tx.senders.reserve("a", NOON, 0.25, [1] * 3, 10)
        with store.transaction() as tx:
            second = tx.senders.reserve("a", NOON, 0.25, [1] * 2, 10)
            other = tx.senders.reserve("b", NOON, 0.25, [1] * 1, 10)

        assert (first, second, other) == ([at(0), at(0.25), at(0.5)], [at(0.75), at(1)], [at(0)])

    def test_slots_behind_the_horizon_stay(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.senders.reserve("a", NOON, 0.5, [1] * 9, 1) == [at(0), at(0.5), at(1)]
            assert tx.senders.reserve("a", NOON, 0.5, [1] * 9, 1) == []
            assert tx.senders.reserve("a", at(1), 0.5, [1] * 9, 0.5) == [at(1.5)]

    def test_a_slot_lasts_as_long_as_it_costs(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.senders.reserve("a", NOON, 0.5, [3, 1, 2], 9) == [at(0), at(1.5), at(2)]
            assert tx.senders.reserve("a", NOON, 0.5, [1], 9) == [at(3)]

    def test_calls_that_are_open_keep_others_from_starting(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.senders.reserve("a", NOON, 0.5, [1] * 9, 9, 2) == [at(0), at(0.5)]
            tx.senders.open_calls("a", [("1", 1), ("2", 1)], at(61))
            assert tx.senders.reserve("b", NOON, 0.5, [1] * 2, 9, 2) == [at(0), at(0.5)]

        with store.transaction() as tx:
            assert tx.senders.reserve("a", at(2), 0.5, [1] * 9, 1, 2) == []
            tx.senders.close_calls([("1", at(2.25)), ("2", at(9)), ("none", at(1))])

        with store.transaction() as tx:
            assert tx.senders.reserve("a", at(2), 0.5, [1] * 9, 1, 2) == [at(2.25)]

        with store.transaction() as tx:
            assert tx.senders.reserve("a", at(70), 0.5, [1] * 9, 1, 2) == [at(70), at(70.5)]

    def test_a_sender_is_as_slow_as_it_was_told(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.senders.slowness([]) == tx.senders.slowness(["a"]) == {}
            tx.senders.slow_down([("a", NOON, "20429"), ("a", at(1), "30022"), ("b", NOON, "x")])
            tx.senders.slow_down([])

        with store.transaction() as tx:
            assert tx.senders.slowness(["a", "c"]) == {"a": (NOON, 2.0, "20429")}
            tx.senders.slow_down([("a", at(60), "30022")])

        with store.transaction() as tx:
            assert tx.senders.slowness(["a"])["a"].factor > 2
            assert tx.senders.slowness(["b"]) == {"b": (NOON, 2.0, "x")}

    def test_time_that_passed_unused_is_not_made_up_for(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.senders.reserve("a", NOON, 1, [1] * 1, 1)

        with store.transaction() as tx:
            assert tx.senders.reserve("a", at(60), 1, [1] * 2, 1) == [at(60), at(61)]

    def test_slots_of_a_failed_reservation_go_back(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), failing(store) as tx:
            tx.senders.reserve("a", NOON, 1, [1] * 5, 9)

        with store.transaction() as tx:
            assert tx.senders.reserve("a", NOON, 1, [1] * 1, 9) == [at(0)]

    def test_many_workers_never_get_the_same_slot(self, store: Store) -> None:
        slots = []

        def reserve() -> None:
            for _ in range(10):
                with store.transaction() as tx:
                    slots.extend(tx.senders.reserve("a", NOON, 0.1, [1] * 3, 100))

        threads = [Thread(target=reserve) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        assert sorted(slots) == [NOON + n * timedelta(seconds=0.1) for n in range(120)]
