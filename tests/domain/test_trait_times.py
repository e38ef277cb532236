"""Since when a trait has its value: in any order of arrival what a recomputation from all writes, sorted by time, says."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.domain.profile.trait_times import MOST, TraitTimes
from engage.storage.coding import decoder, encode
from tests.domain.expression.asking import NOW

REMEMBERED = MOST + 2
VALUES = (None, "free", "pro", 1, True, {"a": [1]})


def at(minute: float) -> datetime:
    return NOW + timedelta(minutes=minute)


def nobody(number: int = 0) -> Profile:
    return Profile(id=ProfileId(f"p{number}"), bucket_key="k", created_at=NOW, lane=0)


def since(profile: Profile) -> datetime:
    return profile.trait_times["plan"].changed


def written(profile: Profile, trait: str = "plan") -> list[datetime]:
    """Return the writes of a trait's present value that are remembered, in order."""
    instants: list[datetime] = profile.told_times()[trait]["written_at"]
    return instants


@dataclass
class Everything:
    """All that was ever written, in order; of one instant in the order of arrival."""

    writes: list[tuple[float, Any]] = field(default_factory=list)

    def write(self, minute: float, value: Any) -> None:
        self.writes.append((minute, value))
        self.writes.sort(key=lambda write: write[0])

    def unite(self, lost: "Everything") -> None:
        """Take in somebody's; of one instant theirs count as the earlier ones."""
        self.writes = sorted(lost.writes + self.writes, key=lambda write: write[0])

    def run(self) -> list[tuple[float, Any]]:
        """Return the last writes, all of the present value."""
        run = [self.writes[-1]]
        for write in reversed(self.writes[:-1]):
            if msgspec.json.encode(write[1]) != msgspec.json.encode(run[0][1]):
                break
            run.insert(0, write)
        return run


@dataclass(frozen=True)
class Said:
    """One write to one of several profiles; or, without a minute, two of them become one."""

    who: int
    minute: int | None
    value: Any = None
    other: int = 0


def told(most: int, minutes: int, values: tuple[Any, ...] = VALUES) -> st.SearchStrategy[list[Said]]:
    write = st.builds(Said, st.integers(0, 2), st.integers(0, minutes), st.sampled_from(values))
    merge = st.builds(Said, st.integers(0, 2), st.none(), other=st.integers(0, 2))
    return st.lists(write | write | write | merge, min_size=1, max_size=most)


def lived(said: list[Said]) -> list[tuple[Profile, Everything]]:
    """Play it; whoever merged is one pair from then on."""
    pairs = [(nobody(number), Everything()) for number in range(3)]
    for one in said:
        profile, everything = pairs[one.who]
        if one.minute is not None:
            profile.write_traits({"plan": one.value}, at(one.minute))
            everything.write(one.minute, one.value)
        elif pairs[one.other][0] is not profile:
            lost, theirs = pairs[one.other]
            profile.unite_traits(lost)
            everything.unite(theirs)
            pairs = [pairs[one.who] if pair[0] is lost else pair for pair in pairs]
    return [(profile, everything) for profile, everything in pairs if everything.writes]


@settings(max_examples=500)
@given(told(most=REMEMBERED, minutes=3, values=("free", "pro")) | told(most=REMEMBERED, minutes=12))
def test_any_order_and_any_merges_give_what_a_recomputation_gives(said: list[Said]) -> None:
    for profile, everything in lived(said):
        run = everything.run()
        assert profile.traits.get("plan") == run[0][1]
        assert since(profile) == at(run[0][0])
        assert written(profile) == sorted({at(minute) for minute, _ in run})


@given(told(most=80, minutes=40, values=("free", "pro", "pro", "pro", "pro")))
def test_of_a_value_repeated_very_often_what_is_said_is_true_of_a_write_and_never_too_early(
    said: list[Said],
) -> None:
    for profile, everything in lived(said):
        run = everything.run()
        assert profile.traits["plan"] == run[0][1]
        assert written(profile)[-1] == at(run[-1][0])
        assert since(profile) in {at(minute) for minute, _ in run}
        assert len(written(profile)) <= REMEMBERED
        if sum(value == run[0][1] for _, value in everything.writes) <= REMEMBERED:
            assert since(profile) == at(run[0][0])


WRITES = st.dictionaries(st.integers(0, 30), st.sampled_from(VALUES), min_size=1, max_size=REMEMBERED)


@given(writes=WRITES, data=st.data())
def test_two_orders_with_merges_in_between_give_the_same_person(
    writes: dict[int, Any], data: st.DataObject
) -> None:
    outcomes = []
    for _ in range(2):
        people = [nobody(), nobody(1)]
        for minute in data.draw(st.permutations(list(writes))):
            data.draw(st.sampled_from(people)).write_traits({"plan": writes[minute]}, at(minute))
            if len(people) == 2 and data.draw(st.booleans()):
                people[0].unite_traits(people.pop())
        for lost in people[1:]:
            people[0].unite_traits(lost)
        outcomes.append((people[0].traits, people[0].told_times()))
    assert outcomes[0] == outcomes[1]


def test_a_late_value_between_the_repeats_of_another_moves_it_to_the_next_repeat() -> None:
    person = nobody()
    for minute in (1, 3, 5):
        person.write_traits({"plan": "pro"}, at(minute))
    moved: set[str] = set()

    assert person.write_traits({"plan": "free"}, at(2), moved=moved) == {}

    assert moved == {"plan"}
    assert since(person) == at(3)


@pytest.mark.parametrize(("late", "since_minute"), [(28.5, 29), (15.5, 16), (13.5, 14), (13, 14), (5.5, 14)])
def test_the_bound_is_the_last_repeats_remembered(late: float, since_minute: float) -> None:
    person = nobody()
    for minute in range(31):
        person.write_traits({"plan": "pro"}, at(minute))
    assert since(person) == at(0)

    person.write_traits({"plan": "free"}, at(late))

    assert since(person) == at(since_minute)


def test_what_only_repeats_does_not_grow() -> None:
    person, sizes = nobody(), set()
    for minute in range(500):
        person.write_traits({"plan": "pro", "name": "Ada", f"seen{minute % 3}": minute % 3}, at(minute))
        if minute > 100:
            sizes.add(len(encode(person)))
    assert max(sizes) - min(sizes) < 50
    assert since(person) == at(0)


def test_a_trait_that_is_told_seldom_keeps_its_repeats_while_others_change() -> None:
    person = nobody()
    for minute in range(100):
        seldom = {"plan": "pro"} if minute in (1, 50, 99) else {}
        person.write_traits({"page": f"/{minute}", **seldom}, at(minute))

    person.write_traits({"plan": "free"}, at(2))

    assert since(person) == at(50)


def test_an_instant_that_no_trait_needs_makes_room_first() -> None:
    person = nobody()
    for minute in (0, 10, 20):
        person.write_traits({"plan": "pro"}, at(minute))
    for minute in range(100, 100 + MOST + 1):
        person.write_traits({"name": "Ada"}, at(minute))
    person.write_traits({"name": "Eve"}, at(200))
    for minute in range(300, 300 + MOST + 1):
        person.write_traits({"mood": "good"}, at(minute))

    person.write_traits({"plan": "free"}, at(5))

    assert since(person) == at(10)


def tell(person: Profile, minutes: Iterable[float], **traits: Any) -> None:
    for minute in minutes:
        person.write_traits(traits, at(minute))


def test_an_instant_that_made_room_is_no_other_traits() -> None:
    person = nobody()
    tell(person, (0, 10, 20), plan="pro")
    tell(person, range(100, 100 + MOST + 5), name="Ada")
    tell(person, [200], plan="pro")
    assert written(person, "plan") == [at(0), at(200)]

    tell(person, [50], plan="free")

    assert since(person) == at(200)


def test_what_is_older_than_all_that_is_remembered_takes_no_room() -> None:
    person = nobody()
    tell(person, (0, 20), plan="pro")
    tell(person, range(100, 100 + MOST + 2), name="Ada")
    known_before = written(person, "name")

    tell(person, [10], plan="pro")

    assert written(person, "plan") == [at(0), at(20)]
    assert written(person, "name") == known_before


def test_traits_told_at_once_keep_what_each_was_told_before() -> None:
    person = nobody()
    tell(person, [1], name="Ada", plan="pro")
    tell(person, [2], name="Ada")
    tell(person, [3], plan="pro")
    tell(person, [4, 5], name="Ada", plan="pro")

    assert written(person, "name") == [at(1), at(2), at(4), at(5)]
    assert written(person, "plan") == [at(1), at(3), at(4), at(5)]


def test_a_merge_unites_what_both_were_told() -> None:
    person, lost = nobody(), nobody(1)
    tell(person, (1, 5, 9), plan="pro", name="Ada")
    tell(lost, (2, 6, 10), plan="pro", city="Paris")
    person.unite_traits(lost)
    assert written(person, "plan") == [at(minute) for minute in (1, 2, 5, 6, 9, 10)]
    assert written(person, "name") == [at(minute) for minute in (1, 5, 9)]
    assert written(person, "city") == [at(minute) for minute in (2, 6, 10)]

    tell(person, [3], plan="free")

    assert since(person) == at(5)


def test_a_merge_does_not_forget_what_cut_off_the_value_that_stays() -> None:
    person, lost = nobody(), nobody(1)
    tell(person, [1], plan="free")
    tell(lost, [5], plan="none")
    tell(lost, [8], plan="pro")
    person.unite_traits(lost)

    tell(person, [3], plan="pro")

    assert since(person) == at(8)


class Before(msgspec.Struct, array_like=True):
    """What the release before this one writes and reads."""

    written: datetime
    changed: datetime
    other: datetime | None = None


def test_what_an_older_release_wrote_is_read_and_what_this_one_writes_it_reads() -> None:
    older = Before(at(5), at(1), at(0))
    ours = decoder(TraitTimes).decode(encode(older))
    assert ours == TraitTimes(at(5), at(1), at(0))

    person = nobody()
    person.traits, person.trait_times = {"plan": "pro"}, {"plan": ours}
    person.write_traits({"plan": "pro"}, at(3))

    assert written(person) == [at(1), at(3), at(5)]
    assert decoder(Before).decode(encode(ours)) == older
