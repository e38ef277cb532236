"""Since when somebody has a trait: what follows where it is told late, and what a computed trait remembers."""

from tests.identity.town import Town, anon, at, user

ADA = user("ada")
HOUR = 60


def settled(town: Town) -> frozenset[str]:
    ((_, somebody),) = town.people([ADA]).items()
    return somebody.audiences


def test_a_value_told_late_puts_people_out_of_an_audience_and_a_repeat_told_late_in() -> None:
    town = Town()
    town.publish(
        {"audience": "settled", "where": "profile.plan == 'pro' and changed_at('plan') <= ago('2 hours')"}
    )

    for hours in (1, 5, 3):
        town.identify(ADA, traits={"plan": "pro"}, timestamp=at(-hours * HOUR))
    town.rest()
    assert settled(town) == {"settled"}

    town.identify(ADA, traits={"plan": "free"}, timestamp=at(-2 * HOUR))
    town.rest()
    assert settled(town) == set()

    town.identify(ADA, traits={"plan": "pro"}, timestamp=at(-2 * HOUR))
    town.rest()
    assert settled(town) == {"settled"}


def test_a_value_told_late_of_somebody_else_who_turns_out_to_be_the_same_counts_too() -> None:
    town = Town()
    town.publish(
        {"audience": "settled", "where": "profile.plan == 'pro' and changed_at('plan') <= ago('2 hours')"}
    )
    for hours in (5, 3, 1):
        town.identify(ADA, traits={"plan": "pro"}, timestamp=at(-hours * HOUR))
    town.identify(anon("a"), traits={"plan": None}, timestamp=at(-4 * HOUR))
    town.rest()

    town.alias(ADA, "a")
    town.rest()

    assert town.profile(ADA).trait_times["plan"].changed == at(-3 * HOUR)
    assert settled(town) == {"settled"}


def test_a_computed_value_that_comes_out_as_it_was_is_written_once() -> None:
    town = Town()
    town.publish(
        {"trait": "buys", "value": "did('Bought')"}, {"trait": "last_bought", "value": "last('Bought')"}
    )
    for minute in range(5):
        town.now = at(minute)
        town.tell(ADA, event="Bought", timestamp=at(-minute))
        town.rest()

    profile = town.profile(ADA)

    assert profile.traits["buys"] is True
    assert profile.traits["last_bought"] == "2026-03-02T12:00:00Z"
    for name in ("buys", "last_bought"):
        assert profile.told_times()[name]["written_at"] == [at(0)]


def test_a_computed_instant_that_stays_starts_no_journey() -> None:
    town = Town()
    town.publish(
        {"trait": "last_bought", "value": "last('Bought')"},
        {
            "journey": "thanks",
            "trigger": {"trait": {"changed": "last_bought"}},
            "entry": {"reentry": "always"},
            "steps": [{"remember": {"x": 1}}],
        },
    )
    for minute in range(3):
        town.tell(ADA, event="Bought", timestamp=at(-minute))
        town.rest()

    entered = [one for one in town.decisions(ADA) if one.kind == "entry" and one.outcome == "entered"]

    assert len(entered) == 1
