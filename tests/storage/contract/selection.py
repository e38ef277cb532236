"""What every store promises about people by rule: nobody whom a rule means is left out, and nobody is called sure who is not."""

from engage.domain.audience.audience import Audience
from engage.domain.expression import MapHistory, Place, Scope, compile_expression
from engage.domain.ids import ProfileId
from engage.domain.turn.changes import Changes, MembershipChange, TimerKind
from engage.ports.selecting import Given, Rules, Stretch
from engage.ports.storage import Store
from tests.storage.contract.given import NOON, at, event, profile, profile_id, run, runs, timer, timers, write

NAMES = ("ada", "bob", "cyd", "dan", "eve")
EVERYBODY = sorted(profile_id(name) for name in NAMES)
PLANS = {"ada": "pro", "bob": "plus", "cyd": "pro", "dan": None, "eve": "Pro"}
GIVEN = Given(now=NOON)
PRO = Audience.model_validate({"audience": "pro", "where": "profile.plan == 'pro'"})
RULES = [
    "profile.plan == 'pro'",
    "profile.plan is matching('^p')",
    "count('Bought', within='1 hour') >= 1",
    "not (profile.plan is present) or profile.age > 30",
    "in_audience('pro')",
    "true",
]


def town(store: Store) -> None:
    """Let five people live here: their plans, what they bought, who is in `pro` and who walks through `welcome`."""
    people = {
        profile_id(name): profile(name, traits={"plan": plan, "age": 20 + 5 * number})
        for number, (name, plan) in enumerate(PLANS.items())
    }
    write(
        store, Changes(profiles=people, events=[event("bob", "Bought", -60), event("eve", "Bought", -7_200)])
    )
    member = MembershipChange(profile=profile_id("bob"), audience="pro", member=True, at=NOON)
    write(store, Changes(memberships=[member]))
    write(store, runs(run("cyd"), run("dan", ended_at=at(1)), run("ada", journey="other")))


def meant(rule: str) -> set[ProfileId]:
    """Return for whom a rule holds, judged by the core."""
    bought = {"bob": [event("bob", "Bought", -60)], "eve": [event("eve", "Bought", -7_200)]}
    found = set()
    for number, (name, plan) in enumerate(PLANS.items()):
        scope = Scope(
            now=NOON,
            profile={"age": 20 + 5 * number} | ({} if plan is None else {"plan": plan}),
            history=MapHistory(bought.get(name, ())),
            in_audience={"pro"}.__contains__ if name == "bob" else set[str]().__contains__,
        )
        if compile_expression(rule, Place.AUDIENCE).truth(scope):
            found.add(profile_id(name))
    return found


class SelectionContract:
    """People by rule."""

    def test_stretches_cover_everybody_once_in_the_order_of_ids(self, store: Store) -> None:
        town(store)
        seen: list[ProfileId] = []
        after: ProfileId | None = None
        with store.transaction() as tx:
            while (stretch := tx.selection.stretch(after, 2)) is not None:
                found = tx.selection.candidates(compile_expression("true", Place.AUDIENCE), GIVEN, stretch)
                assert stretch.after == after
                assert (len(found), found[-1]) == (stretch.people, stretch.upto)
                seen, after = seen + found, stretch.upto
        assert seen == EVERYBODY

    def test_a_stretch_up_to_somebody_ends_there(self, store: Store) -> None:
        town(store)
        with store.transaction() as tx:
            whole = tx.selection.upto(None, EVERYBODY[2])
            rest = tx.selection.upto(EVERYBODY[0], EVERYBODY[2])
        assert whole == Stretch(after=None, upto=EVERYBODY[2], people=3)
        assert rest == Stretch(after=EVERYBODY[0], upto=EVERYBODY[2], people=2)

    def test_nobody_whom_a_rule_means_is_left_out_and_nobody_sure_is_wrong(self, store: Store) -> None:
        town(store)
        rules = [compile_expression(rule, Place.AUDIENCE) for rule in RULES]
        with store.transaction() as tx:
            stretch = tx.selection.stretch(None, 10)
            assert stretch is not None
            by_stretch = tx.selection.holding(rules, GIVEN, stretch)
            by_name = tx.selection.holding(rules, GIVEN, [*EVERYBODY, ProfileId(profile_id("nobody"))])
            asked = [tx.selection.candidates(rule, GIVEN, stretch) for rule in rules]
        assert by_stretch == by_name
        for rule, holding, candidates in zip(RULES, by_stretch, asked, strict=True):
            assert holding.surely <= meant(rule) <= holding.surely | holding.perhaps, rule
            assert not holding.surely & holding.perhaps, rule
            assert meant(rule) <= set(candidates), rule
            assert candidates == sorted(candidates), rule

    def test_only_those_of_the_stretch_are_asked_about(self, store: Store) -> None:
        town(store)
        rule = compile_expression("true", Place.AUDIENCE)
        some = Stretch(after=EVERYBODY[0], upto=EVERYBODY[2], people=2)
        with store.transaction() as tx:
            [holding] = tx.selection.holding([rule], GIVEN, some)
            assert holding.surely | holding.perhaps == set(EVERYBODY[1:3])
            assert tx.selection.candidates(rule, GIVEN, some) == EVERYBODY[1:3]
            assert tx.selection.holding([], GIVEN, some) == []

    def test_members_come_in_pages(self, store: Store) -> None:
        town(store)
        write(
            store,
            Changes(
                memberships=[
                    MembershipChange(profile=key, audience="all", member=True, at=NOON) for key in EVERYBODY
                ]
            ),
        )
        with store.transaction() as tx:
            first = tx.selection.members("all", None, 3)
            rest = tx.selection.members("all", first[-1], 3)
            assert tx.selection.members("none", None, 3) == []
        assert first + rest == EVERYBODY

    def test_who_is_in_a_journey_is_found_and_who_left_it_is_not(self, store: Store) -> None:
        town(store)
        cyd = profile_id("cyd")
        everybody = Stretch(after=None, upto=EVERYBODY[-1], people=5)
        behind = Stretch(after=cyd, upto=EVERYBODY[-1], people=1)
        with store.transaction() as tx:
            assert tx.selection.walking("welcome", everybody) == [cyd]
            assert tx.selection.walking("welcome", behind) == []
            assert tx.selection.walking("none", everybody) == []

    def test_whoever_is_not_as_the_rules_ask_for_is_told(self, store: Store) -> None:
        town(store)
        given = Given(now=NOON, audiences={"pro": PRO})
        rules = Rules(audiences=[PRO], walking=False)
        with store.transaction() as tx:
            standings = {one.profile: one for one in tx.selection.standings(rules, given, EVERYBODY)}
        wrong = {profile_id(name): name != "bob" for name in ("ada", "bob", "cyd")}
        assert wrong.keys() <= standings.keys()
        for key, standing in standings.items():
            assert standing.lane == 7
            assert standing.unsure or standing.members == {"pro": wrong[key]}

    def test_whoever_has_a_day_or_a_clock_running_is_left_to_the_engine(self, store: Store) -> None:
        town(store)
        clock = timer("cyd", "yearly||2027", 60, kind=TimerKind.CLOCK)
        write(store, timers(clock, timer("dan", "yearly-other||2027", 60, kind=TimerKind.CLOCK)))
        rules = Rules(walking=False, dated=["plan"], clocks=["yearly"])
        with store.transaction() as tx:
            standings = tx.selection.standings(rules, GIVEN, EVERYBODY)
        unsure = {one.profile for one in standings if one.unsure}
        assert {profile_id(name) for name in ("ada", "bob", "cyd", "eve")} <= unsure

    def test_a_sample_of_a_few_is_everybody(self, store: Store) -> None:
        town(store)
        with store.transaction() as tx:
            assert sorted(tx.selection.sample(10)) == EVERYBODY
