"""Crowd: the next people whom a broadcast may be about — members of an audience, candidates of a rule, or everybody."""

from dataclasses import dataclass

from engage.domain.catalog import LiveJourney
from engage.domain.expression import Expression
from engage.domain.ids import ProfileId
from engage.ports.selecting import Given
from engage.ports.storage import Transaction

BATCH = 500
"""People a turn looks at; design §4."""
STRETCH = 4_000
"""People about whom SQL is asked at once."""
STRETCHES = 5
"""Asked about in a turn at most, where hardly anybody is meant."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some people in the order of their ids."""

    people: list[ProfileId]
    upto: ProfileId | None
    """How far everybody is seen, once these are."""
    passed: int
    """How many were looked at for it."""
    last: bool
    """Whether nobody comes after them."""


def next_page(
    tx: Transaction, live: LiveJourney, given: Given, after: ProfileId | None, most: int = BATCH
) -> Page:
    """Return the next people after one, at most so many; nobody else is locked or loaded."""
    trigger = live.journey.trigger
    audience = None
    if trigger.schedule is not None:
        audience = trigger.schedule.audience
    elif trigger.audience is not None:
        audience = trigger.audience.entered
    if audience is not None:
        return _whole(tx.selection.members(audience, after, most), most)
    if trigger.people is not None:
        return _candidates(tx, trigger.people, given, after, most)
    return _whole(tx.people.page(after, most), most)


def _whole(people: list[ProfileId], most: int) -> Page:
    return Page(people, people[-1] if people else None, len(people), len(people) < most)


def _candidates(tx: Transaction, rule: Expression, given: Given, after: ProfileId | None, most: int) -> Page:
    found: list[ProfileId] = []
    passed, upto = 0, after
    for _ in range(STRETCHES):
        stretch = tx.selection.stretch(upto, STRETCH)
        if stretch is None:
            return Page(found, upto, passed, last=True)
        here = tx.selection.candidates(rule, given, stretch)
        if len(found) + len(here) > most:
            people = (found + here)[:most]
            return Page(people, people[-1], passed + tx.selection.upto(upto, people[-1]).people, last=False)
        found += here
        passed, upto = passed + stretch.people, stretch.upto
        if stretch.people < STRETCH:
            return Page(found, upto, passed, last=True)
    return Page(found, upto, passed, last=False)
