"""Preview: how many people a rule holds for, before it is published — counted, or estimated from some of them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from engage.domain.audience import ComputedTrait
from engage.domain.catalog import Catalog
from engage.domain.errors import IdentityRaceError
from engage.domain.ids import ProfileId
from engage.domain.person import Person
from engage.engine.working_set import load_people
from engage.ports.storage import Store

BATCH = 500


@dataclass(frozen=True, slots=True)
class Estimate:
    """About how many of everybody."""

    matching: int
    """Of those that were looked at."""
    looked_at: int
    everybody: int

    @property
    def exact(self) -> bool:
        """Whether everybody was looked at."""
        return self.looked_at >= self.everybody

    @property
    def about(self) -> int:
        """The estimate for everybody."""
        return (
            self.matching
            if self.exact or not self.looked_at
            else round(self.matching * self.everybody / self.looked_at)
        )


def estimate_audiences(
    store: Store, catalog: Catalog, wanted: Collection[str], now: datetime, *, at_most: int = 2_000
) -> dict[str, Estimate]:
    """Return for each wanted audience of `catalog`, published or not, about how many people it holds at `now`.

    Looks at the `at_most` people who were seen first. Changes nothing; locks 500 profiles at a time for a moment.
    """
    matching = dict.fromkeys(wanted, 0)
    looked, after = 0, None
    with store.transaction() as tx:
        everybody = tx.people.count()
    while looked < at_most:
        people, after = _page(store, catalog, after, min(BATCH, at_most - looked), now)
        looked += len(people)
        for person in people:
            inside = _judged(catalog, person, now)
            for name in wanted:
                matching[name] += name in inside
        if after is None:
            break
    everybody = max(everybody, looked) if after is not None else looked
    return {name: Estimate(count, looked, everybody) for name, count in matching.items()}


def _page(
    store: Store, catalog: Catalog, after: ProfileId | None, size: int, now: datetime
) -> tuple[list[Person], ProfileId | None]:
    for _ in range(20):
        try:
            with store.transaction() as tx:
                page = tx.people.page(after, size)
                people = load_people(tx, catalog, page, now=now)
            return list(people.values()), page[-1] if len(page) == size else None
        except IdentityRaceError:
            continue
    raise IdentityRaceError("profiles keep being merged while they are counted")


def _judged(catalog: Catalog, person: Person, now: datetime) -> set[str]:
    """Return the audiences a person would be in: rules and computed traits, those that others read before them."""
    inside = {name for name in person.audiences if (known := catalog.audiences.get(name)) and known.manual}
    person.audiences = inside
    for rule in catalog.followed:
        scope = person.scope(catalog.settings, now)
        if isinstance(rule, ComputedTrait):
            value = rule.value.value(scope)
            person.profile.traits[rule.name] = value.isoformat() if isinstance(value, datetime) else value
        elif rule.where is not None and rule.where.truth(scope):
            inside.add(rule.name)
    return inside
