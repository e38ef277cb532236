"""What every store promises about folds."""

from datetime import datetime

from engage.domain.turn.changes import Changes, FoldState
from engage.ports.storage import Store
from tests.storage.contract.given import NOON, at, event, people, profile_id, write

ADA, BOB, CYD = (profile_id(name) for name in ("ada", "bob", "cyd"))


def fold(owner: str, key: str, upto: datetime = NOON, n: int | None = 1) -> FoldState:
    """Return what an aggregate keeps of a person; `n` none: nothing any more."""
    return FoldState(profile=profile_id(owner), key=key, upto=upto, state=None if n is None else {"n": n})


class FoldsContract:
    """Folds are written whole, and go with whom they are of."""

    def test_a_fold_comes_back_as_it_was_written_last(self, store: Store) -> None:
        write(store, Changes(folds=[fold("ada", "a"), fold("ada", "b", at(1)), fold("bob", "a")]))
        write(store, Changes(folds=[fold("ada", "a", at(2), 5)]))

        with store.transaction() as tx:
            found = tx.folds.of([ADA, CYD])

        assert {key: sorted(folds, key=lambda one: one.key) for key, folds in found.items()} == {
            ADA: [fold("ada", "a", at(2), 5), fold("ada", "b", at(1))]
        }

    def test_one_without_a_state_is_gone(self, store: Store) -> None:
        write(store, Changes(folds=[fold("ada", "a"), fold("ada", "b")]))

        write(store, Changes(folds=[fold("ada", "a", n=None), fold("bob", "a", n=None)]))

        with store.transaction() as tx:
            assert tx.folds.of([ADA, BOB]) == {ADA: [fold("ada", "b")]}

    def test_a_merge_leaves_what_is_written_with_it(self, store: Store) -> None:
        write(store, people("ada", "bob"))
        write(store, Changes(folds=[fold("ada", "a"), fold("ada", "b"), fold("bob", "a")]))

        write(store, Changes(merges=[(BOB, ADA)], folds=[fold("ada", "a", n=2)]))

        with store.transaction() as tx:
            assert tx.folds.of([ADA, BOB]) == {ADA: [fold("ada", "a", n=2)]}

    def test_whoever_is_erased_leaves_none(self, store: Store) -> None:
        write(store, people("ada", "bob"))
        write(store, Changes(folds=[fold("ada", "a"), fold("bob", "a")]))

        with store.transaction() as tx:
            tx.people.lock([ADA])
            erased = tx.people.erase([ADA])

        assert erased.rows["fold"] == 1
        with store.transaction() as tx:
            assert tx.folds.of([ADA, BOB]) == {BOB: [fold("bob", "a")]}

    def test_folds_of_nothing_that_is_live_are_dropped_some_at_a_time(self, store: Store) -> None:
        write(store, Changes(folds=[fold(name, key) for name in ("ada", "bob") for key in ("a", "b")]))

        with store.transaction() as tx:
            gone = [tx.folds.drop(["a", "c"], 1) for _ in range(3)]

        assert gone == [1, 1, 0]
        with store.transaction() as tx:
            assert tx.folds.of([ADA, BOB]) == {ADA: [fold("ada", "a")], BOB: [fold("bob", "a")]}

    def test_with_nothing_live_every_fold_is_dropped(self, store: Store) -> None:
        write(store, Changes(folds=[fold("ada", "a")]))

        with store.transaction() as tx:
            assert tx.folds.drop([], 10) == 1

    def test_those_are_found_of_whom_an_event_by_such_a_name_goes(self, store: Store) -> None:
        old = -1000 * 86400
        write(store, people("ada", "bob", "cyd"))
        write(
            store,
            Changes(
                events=[
                    event("ada", "Order Completed", old),
                    event("ada", "Order Completed", old + 1),
                    event("bob", "Order Completed", 0),
                    event("cyd", "Ordered", old),
                    event("cyd", "Secret", old, type="reserved"),
                ]
            ),
        )

        def found(*names: str, after: str | None = None, limit: int = 10) -> list[str]:
            since = None if after is None else profile_id(after)
            with store.transaction() as tx:
                due = tx.folds.due(names, at(old + 86400), since, limit)
            return [name for key in due for name in ("ada", "bob", "cyd") if profile_id(name) == key]

        both = sorted(("ada", "cyd"), key=profile_id)
        assert found("Order Completed", "Order") == ["ada"]
        assert found("Order*") == both
        assert found("*", limit=1) == both[:1]
        assert found("Order*", after=both[0]) == both[1:]
        assert found("Secret") == []

    def test_events_are_read_from_each_one_s_own_instant_on(self, store: Store) -> None:
        events = [event(name, "A", n) for name in ("ada", "bob") for n in (1, 2, 3)]
        write(
            store, Changes(events=[*events, event("ada", "AB", 2.5), event("ada", "B", 9, type="reserved")])
        )

        with store.transaction() as tx:
            found = tx.events.later(
                {ADA: {"A*": at(1), "B": None}, BOB: {"A": at(2), "B": at(1)}, CYD: {"A": None}}
            )

        assert {key: [one.timestamp for one in those] for key, those in found.items()} == {
            ADA: [at(2), at(2.5), at(3)],
            BOB: [at(3)],
            CYD: [],
        }

    def test_what_was_stored_before_is_known(self, store: Store) -> None:
        write(store, Changes(events=[event("ada", "A", 1), event("bob", "A", 2)]))

        with store.transaction() as tx:
            found = tx.events.stored([ADA, BOB], ["ada-A-1", "bob-A-2", "cyd-A-3"])
            nothing = tx.events.stored([ADA], [])

        assert found == {ADA: {"ada-A-1"}, BOB: {"bob-A-2"}}
        assert nothing == {ADA: set()}
