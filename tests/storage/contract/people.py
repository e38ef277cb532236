"""What every store promises about people, their identifiers, audiences and events."""

from decimal import Decimal
from threading import Thread

import pytest

from engage.domain.errors import IdentityRaceError
from engage.domain.fact import Identifier
from engage.domain.ids import EventId
from engage.domain.profile.trait_times import TraitTimes
from engage.domain.turn.changes import Changes, MembershipChange
from engage.ports.storage import StorageRefusedError, Store
from tests.storage.contract.given import (
    NOON,
    at,
    email,
    event,
    people,
    profile,
    profile_id,
    write,
)


class PeopleContract:
    """Profiles are found by identifiers, locked in order, and written whole."""

    def test_a_profile_comes_back_as_it_was_written(self, store: Store) -> None:
        ada = profile(
            "ada",
            merges=2,
            traits={
                "first_name": "Ada",
                "total": Decimal("19.90"),
                "age": 36,
                "vip": True,
                "tags": ["a", {"b": None}],
            },
            trait_times={
                "age": TraitTimes(at(1), at(0.25)),
                "vip": TraitTimes(at(3), at(0.5), at(0.25), 5),
            },
            told_again=[1_772_445_600_000_001, 1_772_445_600_000_003, 1_772_445_600_000_002],
        )
        names = [Identifier("user_id", "u1"), email("ada"), Identifier("email", "first@example.org")]

        write(store, Changes(profiles={ada.id: ada}, identifiers=[(name, ada.id) for name in names]))

        ada.identifiers = names
        with store.transaction() as tx:
            found = tx.people.lock([ada.id])
        assert found == {ada.id: ada}
        assert str(found[ada.id].traits["total"]) == "19.90"

    def test_a_reader_s_copy_is_its_own(self, store: Store) -> None:
        write(store, Changes(profiles={profile_id("ada"): profile("ada", traits={"tags": [1]})}))

        with store.transaction() as tx:
            tx.people.lock([profile_id("ada")])[profile_id("ada")].traits["tags"].append(2)

        with store.transaction() as tx:
            assert tx.people.lock([profile_id("ada")])[profile_id("ada")].traits == {"tags": [1]}

    def test_a_written_profile_may_be_changed_afterwards_without_effect(self, store: Store) -> None:
        ada = profile("ada", traits={"tags": [1]})
        with store.transaction() as tx:
            tx.write(Changes(profiles={ada.id: ada}))
            ada.traits["tags"].append(2)

        with store.transaction() as tx:
            assert tx.people.lock([ada.id])[ada.id].traits == {"tags": [1]}

    def test_people_are_found_by_exactly_their_identifiers(self, store: Store) -> None:
        write(store, people("ada", "bob"))
        other_kind = Identifier("user_id", email("ada").value)

        with store.transaction() as tx:
            found = tx.people.find([email("ada"), email("cyd"), other_kind])

        assert found == {email("ada"): profile_id("ada")}

    def test_asking_about_nobody_answers_nothing(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.people.find([]) == {}
            assert tx.people.lock([]) == {}
            assert tx.people.memberships([]) == {}
            assert tx.people.lock([profile_id("nobody")]) == {}

    def test_a_transaction_sees_its_own_people(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.write(people("ada"))

            assert tx.people.find([email("ada")]) == {email("ada"): profile_id("ada")}
            assert tx.people.lock([profile_id("ada")])[profile_id("ada")].identifiers == [email("ada")]

    def test_nobody_else_sees_them_before_the_commit(self, store: Store) -> None:
        with store.transaction() as one:
            one.write(people("ada"))
            with store.transaction() as two:
                assert two.people.find([email("ada")]) == {}

        with store.transaction() as three:
            assert three.people.find([email("ada")]) != {}

    def test_locked_people_are_skipped_when_asked(self, store: Store) -> None:
        write(store, people("ada", "bob"))

        with store.transaction() as one, store.transaction() as two:
            one.people.lock([profile_id("ada")])
            found = two.people.lock([profile_id("ada"), profile_id("bob")], skip_locked=True)

        assert set(found) == {profile_id("bob")}

    def test_people_are_returned_in_id_order(self, store: Store) -> None:
        names = [f"p{n}" for n in range(20)]
        write(store, people(*names))

        with store.transaction() as tx:
            found = tx.people.lock([profile_id(name) for name in reversed(names)])

        assert list(found) == sorted(map(profile_id, names))

    def test_whoever_waited_for_a_lock_sees_what_the_holder_wrote(self, store: Store) -> None:
        write(store, people("ada"))
        seen = []

        def wait_and_read() -> None:
            with store.transaction() as tx:
                seen.append(tx.people.lock([profile_id("ada")])[profile_id("ada")])

        with store.transaction() as tx:
            tx.people.lock([profile_id("ada")])
            waiting = Thread(target=wait_and_read)
            waiting.start()
            waiting.join(0.05)
            assert waiting.is_alive()
            new = Identifier("user_id", "u1")
            tx.write(
                Changes(
                    profiles={profile_id("ada"): profile("ada", traits={"n": 1})},
                    identifiers=[(new, profile_id("ada"))],
                )
            )
        waiting.join(5)

        assert seen[0].traits == {"n": 1}
        assert seen[0].identifiers == [email("ada"), new]

    def test_of_two_who_take_one_identifier_one_loses(self, store: Store) -> None:
        def take(name: str) -> None:
            try:
                with store.transaction() as tx:
                    tx.write(
                        Changes(
                            profiles={profile_id(name): profile(name)},
                            identifiers=[(email("ada"), profile_id(name))],
                        )
                    )
            except IdentityRaceError:
                lost.append(name)

        lost: list[str] = []
        threads = [Thread(target=take, args=(name,)) for name in ("one", "two", "three")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

        assert len(lost) == 2
        with store.transaction() as tx:
            owner = tx.people.find([email("ada")])[email("ada")]
            assert set(tx.people.lock([profile_id(n) for n in ("one", "two", "three")])) == {owner}

    def test_of_two_who_create_one_profile_one_loses(self, store: Store) -> None:
        def create(plan: str) -> None:
            try:
                with store.transaction() as tx:
                    new = profile("ada", traits={"plan": plan})
                    tx.write(
                        Changes(
                            profiles={new.id: new, profile_id(plan): profile(plan)},
                            created={new.id, profile_id(plan)},
                            identifiers=[(email("ada"), new.id)],
                        )
                    )
                    won.append(plan)
            except IdentityRaceError:
                lost.append(plan)

        won: list[str] = []
        lost: list[str] = []
        threads = [Thread(target=create, args=(plan,)) for plan in ("free", "pro", "gold")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

        assert len(lost) == 2
        with store.transaction() as tx:
            assert tx.people.lock([profile_id("ada")])[profile_id("ada")].traits == {"plan": won[0]}
            assert tx.people.count() == 2

    def test_an_identifier_of_another_profile_is_a_race_lost(self, store: Store) -> None:
        write(store, people("ada"))

        with pytest.raises(IdentityRaceError), store.transaction() as tx:
            tx.write(
                Changes(
                    profiles={profile_id("bob"): profile("bob")},
                    identifiers=[(email("bob"), profile_id("bob")), (email("ada"), profile_id("bob"))],
                )
            )

        with store.transaction() as tx:
            assert tx.people.find([email("bob")]) == {}
            assert tx.people.lock([profile_id("bob")]) == {}

    def test_an_identifier_given_again_to_its_own_profile_changes_nothing(self, store: Store) -> None:
        write(store, people("ada"))

        write(store, people("ada"))

        with store.transaction() as tx:
            assert tx.people.find([email("ada")]) == {email("ada"): profile_id("ada")}

    @pytest.mark.parametrize("traits", [{"a": "\0"}, {"\0": 1}, {"a": [{"b": "x\0y"}]}])
    def test_a_nul_in_a_trait_is_refused(self, store: Store, traits: dict[str, object]) -> None:
        with pytest.raises(StorageRefusedError), store.transaction() as tx:
            tx.write(Changes(profiles={profile_id("ada"): profile("ada", traits=traits)}))

    def test_what_only_looks_like_a_nul_is_kept(self, store: Store) -> None:
        traits = {"a": "\\u0000", "b": "\\\\u0000"}

        write(store, Changes(profiles={profile_id("ada"): profile("ada", traits=traits)}))

        with store.transaction() as tx:
            assert tx.people.lock([profile_id("ada")])[profile_id("ada")].traits == traits

    def test_everybody_is_walked_through_in_pages(self, store: Store) -> None:
        ids = sorted(profile_id(f"p{n}") for n in range(5))
        write(store, people(*(f"p{n}" for n in range(5))))

        with store.transaction() as tx:
            assert tx.people.page(None, 2) == ids[:2]
            assert tx.people.page(ids[1], 9) == ids[2:]
            assert tx.people.page(ids[4], 9) == []
            assert tx.people.count() == 5

    def test_memberships_come_and_go(self, store: Store) -> None:
        ada = profile_id("ada")

        def member(audience: str, member: bool, after: float) -> MembershipChange:
            return MembershipChange(profile=ada, audience=audience, member=member, at=at(after))

        write(
            store,
            Changes(memberships=[member("vip", True, 0), member("new", True, 0), member("vip", True, 1)]),
        )
        write(
            store,
            Changes(memberships=[member("new", False, 2), member("old", True, 2), member("old", False, 3)]),
        )
        write(store, Changes(memberships=[member("back", False, 4), member("back", True, 5)]))

        with store.transaction() as tx:
            assert tx.people.memberships([ada, profile_id("bob")]) == {
                ada: {"vip", "back"},
                profile_id("bob"): set(),
            }


class EventsContract:
    """History is read by name, prefix and bound."""

    def test_an_event_comes_back_as_it_was_written(self, store: Store) -> None:
        bought = event(
            "ada",
            "Bought",
            0.5,
            received_at=at(9),
            arrival=2**40,
            properties={"total": Decimal("0.10")},
            epoch=3,
        )

        write(store, Changes(events=[bought]))

        with store.transaction() as tx:
            assert tx.events.history([bought.profile], {"Bought": None}) == {bought.profile: [bought]}

    def test_history_is_ordered_by_time_then_arrival(self, store: Store) -> None:
        events = [
            event("ada", "A", 5, arrival=1, id=EventId("1")),
            event("ada", "B", 1, arrival=9, id=EventId("2")),
            event("ada", "A", 5, arrival=0, id=EventId("3")),
        ]

        write(store, Changes(events=events))

        with store.transaction() as tx:
            history = tx.events.history([profile_id("ada")], {"A": None, "B": None})
        assert [one.id for one in history[profile_id("ada")]] == ["2", "3", "1"]

    def test_bounds_are_each_name_s_own_and_inclusive(self, store: Store) -> None:
        write(store, Changes(events=[event("ada", name, after) for name in "AB" for after in (0, 10, 20)]))

        with store.transaction() as tx:
            history = tx.events.history([profile_id("ada")], {"A": at(10), "B": at(20)})

        assert [(one.name, one.timestamp) for one in history[profile_id("ada")]] == [
            ("A", at(10)),
            ("A", at(20)),
            ("B", at(20)),
        ]

    def test_a_prefix_reads_all_names_that_begin_with_it(self, store: Store) -> None:
        names = ["Cart", "Cart Viewed", "Cart Éclair", "Cars", "cart viewed", "Cart%", "Dart"]
        write(store, Changes(events=[event("ada", name) for name in names]))

        def read(*wanted: str) -> list[str]:
            with store.transaction() as tx:
                history = tx.events.history([profile_id("ada")], dict.fromkeys(wanted))
            return sorted(one.name for one in history[profile_id("ada")])

        assert read("Cart*") == ["Cart", "Cart Viewed", "Cart Éclair", "Cart%"]
        assert read("Cart *", "Cart Viewed", "Dart") == ["Cart Viewed", "Cart Éclair", "Dart"]
        assert read("*") == sorted(names)

    def test_a_prefix_has_a_bound_too(self, store: Store) -> None:
        write(store, Changes(events=[event("ada", "Cart Viewed", after) for after in (0, 10)]))

        with store.transaction() as tx:
            history = tx.events.history([profile_id("ada")], {"Cart*": at(10), "Cart Viewed": at(11)})

        assert [one.timestamp for one in history[profile_id("ada")]] == [at(10)]

    def test_reserved_events_are_no_history(self, store: Store) -> None:
        write(
            store,
            Changes(events=[event("ada", "Email Sent", type="reserved"), event("ada", "Email Sent", 1)]),
        )

        with store.transaction() as tx:
            history = tx.events.history([profile_id("ada")], {"Email*": None, "Email Sent": None})

        assert [one.type for one in history[profile_id("ada")]] == ["track"]

    def test_everybody_asked_about_has_an_answer(self, store: Store) -> None:
        write(store, Changes(events=[event("ada", "A")]))

        with store.transaction() as tx:
            assert tx.events.history([profile_id("bob")], {"A": None}) == {profile_id("bob"): []}
            assert tx.events.history([profile_id("ada")], {}) == {profile_id("ada"): []}
            assert tx.events.history([], {"A": None}) == {}

    def test_an_event_written_again_is_not_written_twice(self, store: Store) -> None:
        once = event("ada", "A", properties={"n": 1})
        write(store, Changes(events=[once]))

        write(store, Changes(events=[once, event("ada", "A", properties={"n": 2})]))

        with store.transaction() as tx:
            assert tx.events.history([profile_id("ada")], {"A": None})[profile_id("ada")] == [once]

    def test_history_of_many_years_is_kept(self, store: Store) -> None:
        days = (-4000, -400, 0, 40, 400)
        write(store, Changes(events=[event("ada", "A", day * 86400) for day in days]))

        with store.transaction() as tx:
            all_of_it = tx.events.history([profile_id("ada")], {"A": None})[profile_id("ada")]
            recent = tx.events.history([profile_id("ada")], {"A": NOON})[profile_id("ada")]

        assert [one.timestamp for one in all_of_it] == [at(day * 86400) for day in days]
        assert len(recent) == 3
