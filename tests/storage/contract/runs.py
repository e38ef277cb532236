"""What every store promises about runs and timers."""

from decimal import Decimal

import pytest

from engage.domain.delivery.delivery import Mark
from engage.domain.errors import IdentityRaceError
from engage.domain.journey.run import StepDelivery
from engage.domain.turn.changes import TimerKind
from engage.ports.storage import PastEntries, Store
from tests.storage.contract.given import (
    LANE,
    at,
    delivery_id,
    event,
    failing,
    profile_id,
    run,
    run_id,
    runs,
    timer,
    timers,
    write,
)


class RunsContract:
    """One active run per (journey, profile, key)."""

    def test_a_run_comes_back_as_it_was_written(self, store: Store) -> None:
        rich = run(
            "ada",
            key="cart-1",
            version=3,
            entry={"total": Decimal("80.10"), "items": [1, {"a": None}]},
            entry_event="Cart Updated",
            held_out=True,
            arrived_at=at(1),
            due_at=at(2.5),
            state={"until": "x"},
            variables={"n": 2},
            event={"total": 3},
            visits={"wait": 2},
            deliveries={"hello": StepDelivery(id=delivery_id("d"), channel="sms", marks=[Mark.SENT])},
            conditions={"exit": False},
            consumed=["m-1"],
            kept=[event("ada", "Bought", properties={"n": Decimal("0.5")})],
            ordinal=2,
            goal_until=at(100),
            goal_value=Decimal("1.5"),
        )

        write(store, runs(rich))

        with store.transaction() as tx:
            assert tx.runs.open([rich.profile], at(0)) == {rich.profile: [rich]}

    def test_those_that_went_through_to_their_end_are_known(self, store: Store) -> None:
        write(
            store,
            runs(
                run("ada", "through", key="1", ended_at=at(1), reason="completed"),
                run("bob", "left", key="2", ended_at=at(1), reason="paid"),
                run("ada", "walks", key="3"),
            ),
        )

        with store.transaction() as tx:
            asked = [run_id(name) for name in ("through", "left", "walks", "never was")]
            assert tx.runs.completed(asked) == {run_id("through")}
            assert tx.runs.completed([]) == frozenset()

    def test_open_runs_come_oldest_first_and_for_everybody_asked_about(self, store: Store) -> None:
        write(
            store,
            runs(
                run("ada", "late", journey="b", entered_at=at(2)),
                run("ada", "early", journey="a"),
                run("bob"),
            ),
        )

        with store.transaction() as tx:
            found = tx.runs.open([profile_id("ada"), profile_id("cyd")], at(5))

        assert [one.journey for one in found[profile_id("ada")]] == ["a", "b"]
        assert found[profile_id("cyd")] == []
        assert set(found) == {profile_id("ada"), profile_id("cyd")}

    def test_an_ended_run_is_open_while_its_goal_still_counts(self, store: Store) -> None:
        write(
            store,
            runs(
                run("ada", "ended", key="1", ended_at=at(1), reason="completed"),
                run("ada", "open", key="2", ended_at=at(1), goal_until=at(10)),
                run("ada", "reached", key="3", ended_at=at(1), goal_until=at(10), goal_at=at(2)),
            ),
        )

        def keys(now: float) -> list[str]:
            with store.transaction() as tx:
                return [one.key for one in tx.runs.open([profile_id("ada")], at(now))[profile_id("ada")]]

        assert keys(10) == ["2"]
        assert keys(10.1) == []

    def test_a_second_active_run_of_the_key_is_a_race_lost(self, store: Store) -> None:
        write(store, runs(run("ada", "one")))

        with pytest.raises(IdentityRaceError), store.transaction() as tx:
            tx.write(runs(run("ada", "two")))

        with store.transaction() as tx:
            assert len(tx.runs.open([profile_id("ada")], at(0))[profile_id("ada")]) == 1

    @pytest.mark.parametrize("other", [{"key": "2"}, {"journey": "winback"}])
    def test_another_key_or_journey_is_another_run(self, store: Store, other: dict[str, str]) -> None:
        write(store, runs(run("ada", "one")))

        write(store, runs(run("ada", "two", **other), run("bob", "three")))

        with store.transaction() as tx:
            assert len(tx.runs.open([profile_id("ada")], at(0))[profile_id("ada")]) == 2

    def test_one_write_may_end_a_run_and_start_the_next(self, store: Store) -> None:
        write(store, runs(run("ada", "one")))

        write(store, runs(run("ada", "two"), run("ada", "one", ended_at=at(1), reason="replaced")))

        with store.transaction() as tx:
            (active,) = tx.runs.open([profile_id("ada")], at(0))[profile_id("ada")]
        assert active == run("ada", "two")

    def test_two_active_runs_in_one_write_are_refused(self, store: Store) -> None:
        with pytest.raises(IdentityRaceError), store.transaction() as tx:
            tx.write(runs(run("ada", "one"), run("ada", "two")))

    def test_a_run_moves_on(self, store: Store) -> None:
        moving = run("ada")
        write(store, runs(moving))
        moving.step, moving.version = "next", 2

        write(store, runs(moving))

        with store.transaction() as tx:
            assert tx.runs.open([moving.profile], at(0))[moving.profile] == [moving]

    def test_entries_count_what_is_active_and_what_is_over(self, store: Store) -> None:
        write(
            store,
            runs(
                run("ada", "1", key="a", ended_at=at(1)),
                run("ada", "2", key="a", entered_at=at(5)),
                run("ada", "3", key="b", entered_at=at(3)),
                run("ada", "4", journey="other"),
                run("bob", "5"),
            ),
        )

        with store.transaction() as tx:
            found = tx.runs.entries([profile_id("ada"), profile_id("cyd")], ["welcome", "never"])

        assert found == {
            (profile_id("ada"), "welcome"): PastEntries(3, at(5), {"a": at(5), "b": at(3)}),
        }

    def test_asking_about_nobody_answers_nothing(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.runs.open([], at(0)) == {}
            assert tx.runs.entries([], ["welcome"]) == {}
            assert tx.runs.entries([profile_id("ada")], []) == {}
            assert tx.runs.timers([]) == []

    def test_versions_with_people_inside_are_known(self, store: Store) -> None:
        write(
            store,
            runs(
                run("ada", "1", version=1),
                run("bob", "2", version=1),
                run("cyd", "3", version=2, ended_at=at(1)),
                run("dan", "4", version=3, ended_at=at(1), goal_until=at(9)),
                run("eve", "5", journey="other", version=9),
            ),
        )

        with store.transaction() as tx:
            assert tx.definitions.versions_inside() == {("welcome", 1), ("welcome", 3), ("other", 9)}


class TimersContract:
    """Timers are set, moved, cleared and found when due."""

    def test_timers_are_set_moved_and_cleared(self, store: Store) -> None:
        write(
            store,
            timers(timer("ada", "a", 1), timer("ada", "b", 2), timer("ada", "c", 3), timer("bob", "a", 4)),
        )

        write(store, timers(timer("ada", "a", 9, lane=8), timer("ada", "b", None), timer("cyd", "x", None)))

        with store.transaction() as tx:
            assert tx.runs.timers([profile_id("ada"), profile_id("cyd")]) == [
                timer("ada", "c", 3),
                timer("ada", "a", 9, lane=8),
            ]

    def test_one_name_may_be_a_run_s_an_audience_s_and_a_trait_s(self, store: Store) -> None:
        three = [timer("ada", "x", n, kind=kind) for n, kind in enumerate(TimerKind)]

        write(store, timers(*three))

        with store.transaction() as tx:
            assert tx.runs.timers([profile_id("ada")]) == three

    def test_due_timers_come_earliest_first(self, store: Store) -> None:
        write(
            store,
            timers(
                timer("ada", "late", 3),
                timer("ada", "early", 1),
                timer("bob", "middle", 2),
                timer("bob", "future", 3.000001),
                timer("bob", "elsewhere", 1, lane=LANE + 1),
            ),
        )

        with store.transaction() as tx:
            assert [one.ref for one in tx.runs.due(LANE, at(3), 10)] == ["early", "middle", "late"]
            assert [one.ref for one in tx.runs.due(LANE, at(3), 2)] == ["early", "middle"]
            assert tx.runs.due(LANE, at(0), 10) == []

    def test_due_timers_of_several_lanes_come_earliest_first(self, store: Store) -> None:
        write(
            store,
            timers(
                timer("ada", "b", 2), timer("bob", "a", 1, lane=LANE + 1), timer("bob", "x", 1, lane=LANE + 2)
            ),
        )

        with store.transaction() as tx:
            assert [one.ref for one in tx.runs.due_in([LANE, LANE + 1], at(3), 10)] == ["a", "b"]
            assert [one.ref for one in tx.runs.due_in([LANE, LANE + 1], at(3), 1)] == ["a"]

    def test_the_earliest_timer_of_all_is_known(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.runs.next_due() is None

        write(
            store, timers(timer("ada", "a", 5, lane=0), timer("ada", "b", 2, lane=63), timer("bob", "c", 3))
        )

        with store.transaction() as tx:
            assert tx.runs.next_due() == at(2)

    def test_lanes_with_due_timers_are_known(self, store: Store) -> None:
        write(
            store,
            timers(timer("ada", "a", 1, lane=0), timer("ada", "b", 2, lane=63), timer("bob", "c", 3, lane=5)),
        )

        with store.transaction() as tx:
            assert tx.runs.due_lanes(at(2)) == {0, 63}
            assert tx.runs.due_lanes(at(0)) == set()

    def test_timers_of_a_failed_turn_are_not_set(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), failing(store) as tx:
            tx.write(timers(timer("ada", "a", 1)))

        with store.transaction() as tx:
            assert tx.runs.due(LANE, at(1), 10) == []
