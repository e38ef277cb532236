"""Holdouts by hash: a share of people, the same ones every time, from both shares."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from engage.domain.expression import split_fraction
from engage.domain.ids import bucket_key
from tests.domain.engine.house import House

PEOPLE = 400


def held_out(settings: dict[str, Any], holdout: str) -> set[str]:
    house = House(settings=settings)
    steps = [{"wait": "1 day"}]
    house.publish({"journey": "j", "trigger": {"event": "Go"}, "holdout": holdout, "steps": steps})
    for number in range(PEOPLE):
        house.track(f"u{number}", "Go")
    house.rest()
    return {run.profile for run in house.runs("j") if run.held_out}


def below(salt: str, share: Decimal) -> set[str]:
    keys = [bucket_key(f"u{number}") for number in range(PEOPLE)]
    return {key for key in keys if Fraction(split_fraction(salt, key)) < Fraction(share)}


def test_the_journey_s_share_is_held_out_by_its_own_salt() -> None:
    assert held_out({}, "20%") == below("j/holdout", Decimal("0.2"))


def test_the_project_s_share_is_held_out_everywhere() -> None:
    assert held_out({"global_holdout": "10%"}, "0%") == below("global_holdout", Decimal("0.1"))


def test_either_share_holds_out() -> None:
    both = below("j/holdout", Decimal("0.2")) | below("global_holdout", Decimal("0.1"))

    assert held_out({"global_holdout": "10%"}, "20%") == both
    assert PEOPLE * 0.15 < len(both) < PEOPLE * 0.45
