"""Histories: what happens to some people, in whatever order it is told, in towns that fold and in towns that never do."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from engage.domain.ids import ProfileId
from engage.engine.retain import Retain
from engage.storage.memory import MemoryStore
from engage.storage.postgres import PostgresStore
from engage.storage.postgres.upkeep import keep_house
from tests.identity.town import Town, anon

KEPT_DAYS = 60
SETTINGS = {"retention": {"events": f"{KEPT_DAYS} days"}}
PEOPLE = 3
NAMES = ("Order", "Order", "Bun")
VALUES: tuple[Any, ...] = (
    1,
    2,
    3,
    Decimal("0.10"),
    Decimal("2.50"),
    "x",
    "y",
    True,
    None,
    [1, "x"],
    {"a": 1},
)

TRAITS: Mapping[str, str] = {
    "total": "sum('Order', 'n')",
    "mean": "avg('Order', 'n')",
    "least": "min('O*', 'n')",
    "most": "max('Order', 'n', where=event.a != 'x')",
    "firstly": "first('Order', 'a')",
    "lastly": "last('Order', 'a')",
    "began": "first('Bun')",
    "different": "values('Order', 'a')",
    "often": "mode('O*', 'a')",
    "big": "count('Order', where=event.n >= 2 and event.a is present)",
    "lately": "count('Order', within='20 days')",
    "ours": "count('Audience Entered')",
}
RULES: Mapping[str, str] = {
    "three": "count('Order') >= 3",
    "eater": "did('Bun') and not did('Order', where=event.a == 'y')",
    "rich": "sum('Order', 'n') > 5 or avg('Order', 'n') == 2",
    "recent": "last('O*') > ago('20 days')",
    "long-ago": "first('Order') < ago('80 days')",
    "extreme": "min('Order', 'n') < 1 and max('Order', 'n') >= 3",
    "edge": "first('Order', 'n') == last('Order', 'n')",
    "both": "count('Order', within='20 days') < count('Order')",
}
"""SQL is sure of them, but for lists and objects among the values."""
VAGUE: Mapping[str, str] = {"seen-x": "'x' in values('Order', 'a') and mode('Order', 'a') != 'y'"}

Act = tuple[Any, ...]


def documents() -> list[dict[str, Any]]:
    """Return the rules and traits as they are published."""
    audiences = [{"audience": name, "where": where} for name, where in {**RULES, **VAGUE}.items()]
    return audiences + [{"trait": name, "value": value} for name, value in TRAITS.items()]


def random_acts(random: Random, count: int) -> list[Act]:
    """Return what happens, most of it something that somebody does."""
    return [random_act(random) for _ in range(count)]


def random_act(random: Random) -> Act:
    """Return one thing that happens."""
    match random.choices(("tell", "merge", "wait", "again", "remove"), (12, 1, 3, 1, 2))[0]:
        case "tell":
            age = random.choice((0, 0, 0, random.uniform(0, 30), random.uniform(0, 110)))
            properties = {"n": random.choice(VALUES), "a": random.choice(VALUES)}
            imported = random.random() < 0.2
            return "tell", random.randrange(PEOPLE), random.choice(NAMES), age, properties, imported
        case "merge":
            return "merge", random.randrange(PEOPLE), random.randrange(PEOPLE)
        case "wait":
            return "wait", random.choice((0.5, 5, 25))
        case "again":
            return "again", random.random()
        case _:
            return ("remove",)


class History:
    """One town in which it happens; `removes`: what is older than it is kept goes when the house is kept."""

    def __init__(self, town: Town, *, removes: bool) -> None:
        self.town, self._removes = town, removes
        self._told: list[tuple[int, dict[str, Any]]] = []

    def let(self, act: Act) -> None:
        """Let one thing happen, with everything that follows."""
        town = self.town
        match act:
            case "tell", person, event, age, properties, imported:
                fields = {
                    "event": event,
                    "properties": properties,
                    "timestamp": town.now - timedelta(days=age),
                    "imported": imported,
                    "message_id": f"told-{len(self._told)}",
                }
                self._told.append((person, fields))
                town.tell(anon(f"p{person}"), **fields)
            case "merge", one, other:
                town.identify(anon(f"p{one}"), anon(f"p{other}"))
            case "wait", days:
                town.now += timedelta(days=days)
                town.digest.turn(list(range(64)), town.now)
            case "again", place if self._told:
                forget_messages(town)
                person, fields = self._told[int(place * len(self._told))]
                # A message is known again for a month, and its event for as long as it is kept.
                age = town.now - fields["timestamp"]
                if timedelta(days=31) < age < timedelta(days=KEPT_DAYS - 2):
                    town.tell(anon(f"p{person}"), **fields)
            case ("remove",) if self._removes:
                remove(town)
            case _:
                pass
        town.rest()


def forget_messages(town: Town) -> None:
    """Let more time pass than messages are known again for."""
    if isinstance(town.store, PostgresStore):
        with town.store.session() as session:
            session.run("DELETE FROM seen")
    else:
        assert isinstance(town.store, MemoryStore)
        with town.store.transaction() as tx:
            seen = tx._work.seen
            for key in list(seen.table.rows):
                seen.delete(key)


def remove(town: Town) -> None:
    """Keep the house: fold what is old, then let it go."""
    kept = timedelta(days=KEPT_DAYS)
    retain = Retain(town.store, town.compiled.catalog_of)
    folded = retain.fold(town.now - kept, batches=1)
    while (epoch := folded.releases) is None:
        folded = retain.fold(town.now - kept, folded, batches=1)
    if isinstance(town.store, PostgresStore):
        keep_house(town.store, town.now, events=kept, bodies=kept, decisions=kept, epoch=epoch)
    else:
        assert isinstance(town.store, MemoryStore)
        with town.store.transaction() as tx:
            for row in tx._work.events.all():
                if row.key.timestamp < town.now - kept:
                    tx._work.events.delete(row.key)


def standing(town: Town) -> dict[ProfileId, tuple[dict[str, Any], frozenset[str]]]:
    """Return everybody's traits and audiences."""
    everybody: Sequence[ProfileId]
    with town.store.transaction() as tx:
        everybody = tx.people.page(None, 1000)
        inside = tx.people.memberships(everybody)
        return {
            key: (profile.traits, frozenset(inside[key]))
            for key, profile in tx.people.lock(everybody).items()
        }
