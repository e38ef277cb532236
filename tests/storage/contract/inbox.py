"""What every store promises about the inbox."""

import pytest

from engage.domain.turn.changes import Quarantined
from engage.ports.reading import Reading
from engage.ports.storage import StorageRefusedError, Store
from tests.storage.contract.given import LANE, NOON, at, fact, failing


class InboxContract:
    """Facts come in once, in order, lane by lane."""

    def test_a_fact_is_stored_once(self, store: Store) -> None:
        with store.transaction() as tx:
            first = tx.inbox.add([fact("a"), fact("b")])

        with store.transaction() as tx:
            second = tx.inbox.add([fact("b"), fact("c")])
            rows = tx.inbox.read(LANE, 10)

        assert (first, second) == ([True, True], [False, True])
        assert [row.payload for row in rows] == [b"a", b"b", b"c"]

    def test_twice_in_one_batch_is_once(self, store: Store) -> None:
        with store.transaction() as tx:
            stored = tx.inbox.add([fact("a"), fact("b"), fact("a")])

            assert stored == [True, True, False]
            assert len(tx.inbox.read(LANE, 10)) == 2

    def test_the_same_message_of_another_source_is_another_fact(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.inbox.add([fact("a", source="one"), fact("a", source="two")]) == [True, True]

    def test_a_digested_fact_stays_seen(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.inbox.add([fact("a")])
        with store.transaction() as tx:
            tx.inbox.remove([row.seq for row in tx.inbox.read(LANE, 10)])

        with store.transaction() as tx:
            assert tx.inbox.add([fact("a")]) == [False]
            assert tx.inbox.read(LANE, 10) == []

    def test_nothing_added_is_nothing_stored(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.inbox.add([]) == []

    def test_rows_carry_what_was_stored(self, store: Store) -> None:
        payload = bytes(range(256)) * 200

        with store.transaction() as tx:
            tx.inbox.add([fact("a", received_at=at(0.000001), payload=payload)])
        with store.transaction() as tx:
            (row,) = tx.inbox.read(LANE, 10)

        assert (row.lane, row.received_at, row.payload, row.attempts) == (LANE, at(0.000001), payload, 0)

    def test_a_backlog_is_told_by_where_its_lanes_begin_and_by_the_last_fact_there_was(
        self, store: Store
    ) -> None:
        with store.transaction() as tx:
            tx.inbox.add([fact("a"), fact("b"), fact("other", lane=LANE + 1), fact("c")])
        with store.transaction() as tx:
            ours, theirs = tx.inbox.read(LANE, 10), tx.inbox.read(LANE + 1, 10)
            before = tx.inbox.backlog()
            tx.inbox.remove([ours[0].seq, ours[-1].seq])
        with store.transaction() as tx:
            after = tx.inbox.backlog()
            tx.inbox.remove([ours[1].seq, theirs[0].seq])
        with store.transaction() as tx:
            nothing = tx.inbox.backlog()

        assert dict(before.oldest) == {LANE: ours[0].seq, LANE + 1: theirs[0].seq}
        assert dict(after.oldest) == {LANE: ours[1].seq, LANE + 1: theirs[0].seq}
        assert dict(nothing.oldest) == {}
        assert {before.newest, after.newest, nothing.newest} == {ours[-1].seq}

    def test_a_lane_is_read_oldest_first_and_no_further_than_asked(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.inbox.add(
                [fact("c", received_at=at(3)), fact("x", lane=8), fact("a", received_at=at(1)), fact("b")]
            )

        with store.transaction() as tx:
            rows = tx.inbox.read(LANE, 2)

        assert [row.payload for row in rows] == [b"c", b"a"]
        assert rows[0].seq < rows[1].seq

    def test_several_lanes_are_read_together_in_order_of_arrival(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.inbox.add([fact("a", lane=3), fact("x", lane=9), fact("b", lane=5), fact("c", lane=3)])

        with store.transaction() as tx:
            rows = tx.inbox.read_lanes([3, 5], 10)
            few = tx.inbox.read_lanes([5, 3], 2)

        assert [(row.lane, row.payload) for row in rows] == [(3, b"a"), (5, b"b"), (3, b"c")]
        assert few == rows[:2]

    def test_the_next_live_fact_is_found_behind_an_import(self, store: Store) -> None:
        with store.transaction() as tx:
            history = [fact(f"h{n}", lane=3, live=False, received_at=at(n)) for n in range(5)]
            tx.inbox.add(
                [*history, fact("x", lane=9, received_at=at(5)), fact("a", lane=3, received_at=at(7))]
            )

        with store.transaction() as tx:
            rows = tx.inbox.read_lanes([3], 10)
            assert [row.live for row in rows] == [False] * 5 + [True]
            assert tx.inbox.next_live([3], rows[1].seq) == at(7)
            assert tx.inbox.next_live([3, 9], rows[1].seq) == at(5)
            assert tx.inbox.next_live([3], rows[-1].seq) is None

    def test_of_several_lanes_those_are_taken_that_nobody_has(self, store: Store) -> None:
        with store.transaction() as one, store.transaction() as two:
            assert one.inbox.lock_lanes([4, 2]) == [2, 4]
            assert two.inbox.lock_lanes([2, 3, 4, 5]) == [3, 5]

    def test_failed_attempts_are_counted(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.inbox.add([fact("a"), fact("b")])
        with store.transaction() as tx:
            first = tx.inbox.read(LANE, 1)[0].seq
            tx.inbox.failed([first])
            tx.inbox.failed([first])

        with store.transaction() as tx:
            assert [row.attempts for row in tx.inbox.read(LANE, 10)] == [2, 0]

    def test_lanes_tell_the_arrival_of_their_oldest_fact(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.inbox.add([fact("a", lane=0, received_at=at(5)), fact("b", lane=0), fact("c", lane=63)])

        with store.transaction() as tx:
            assert tx.inbox.lanes() == {0: at(5), 63: NOON}

    def test_two_transactions_cannot_have_one_lane(self, store: Store) -> None:
        with store.transaction() as one, store.transaction() as two:
            assert one.inbox.lock_lane(LANE)
            assert one.inbox.lock_lane(LANE)
            assert not two.inbox.lock_lane(LANE)
            assert two.inbox.lock_lane(LANE + 1)

        with store.transaction() as three:
            assert three.inbox.lock_lane(LANE)

    def test_a_transaction_that_fails_leaves_nothing(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), failing(store) as tx:
            tx.inbox.add([fact("a")])

        with store.transaction() as tx:
            assert tx.inbox.add([fact("a")]) == [True]

    def test_a_lane_is_free_again_when_its_transaction_fails(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), failing(store) as tx:
            tx.inbox.lock_lane(LANE)

        with store.transaction() as tx:
            assert tx.inbox.lock_lane(LANE)

    def test_a_name_with_nul_is_refused_and_leaves_the_others_possible(self, store: Store) -> None:
        with pytest.raises(StorageRefusedError), store.transaction() as tx:
            tx.inbox.add([fact("good"), fact("bad\0", payload=b"")])

        with store.transaction() as tx:
            assert tx.inbox.add([fact("good")]) == [True]

    def test_what_is_told_again_is_quarantined_once(self, store: Store, reading: Reading) -> None:
        def kept(identity: str | None) -> Quarantined:
            return Quarantined(
                source="key", reason="r", detail="", payload=b"x", received_at=at(0), identity=identity
            )

        for _ in range(2):
            with store.transaction() as tx:
                tx.inbox.quarantine([kept("a"), kept(None), kept("a"), kept("b")])

        rows = reading.quarantine().items
        assert len(rows) == 2 + 2
        with store.transaction() as tx:
            tx.inbox.take_out([row.id for row in rows])
            tx.inbox.quarantine([kept("a")])
        assert list(reading.quarantine().items) == []

    def test_what_cannot_be_taken_is_kept(self, store: Store) -> None:
        item = Quarantined(source="key", reason="invalid", detail="no", payload=b"\xff", received_at=NOON)

        with store.transaction() as tx:
            tx.inbox.quarantine([item])
            tx.inbox.quarantine([])
