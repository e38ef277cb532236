"""Selecting in memory: nothing is judged here, so everybody may be meant, and the engine says who is."""

from collections.abc import Collection, Sequence

from engage.domain.expression import Expression
from engage.domain.ids import ProfileId
from engage.ports.selecting import Given, Holding, Rules, Standing, Stretch
from engage.storage.memory.work import Work


class MemorySelection:
    """People by rule."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def stretch(self, after: ProfileId | None, limit: int) -> Stretch | None:
        """Return the next people in the order of their ids; None: there are none."""
        ids = self._ids(after)[:limit]
        return Stretch(after=after, upto=ids[-1], people=len(ids)) if ids else None

    def upto(self, after: ProfileId | None, last: ProfileId) -> Stretch:
        """Return the people after one, up to another."""
        return Stretch(after=after, upto=last, people=sum(key <= last for key in self._ids(after)))

    def members(self, audience: str, after: ProfileId | None, limit: int) -> list[ProfileId]:
        """Return the next members of an audience, in the order of their ids."""
        rows = self._work.memberships.where("audience", audience)
        return sorted(row.profile for row in rows if after is None or row.profile > after)[:limit]

    def candidates(self, rule: Expression, given: Given, among: Stretch) -> list[ProfileId]:
        """Return those for whom the rule may hold, in the order of their ids."""
        del rule, given
        return self._among(among)

    def walking(self, journey: str, among: Stretch) -> list[ProfileId]:
        """Return those who are in a journey now, in the order of their ids."""
        runs = self._work.runs
        return [
            key
            for key in self._among(among)
            if any(row.journey == journey and row.active for row in runs.where("profile", key))
        ]

    def standings(self, rules: Rules, given: Given, among: Stretch | Collection[ProfileId]) -> list[Standing]:
        """Return whoever is not as the rules ask for, in the order of their ids."""
        del rules, given
        lanes = {row.id: row.lane for row in self._work.profiles.all()}
        return [Standing(profile=key, lane=lanes[key], unsure=True) for key in self._among(among)]

    def sample(self, size: int) -> list[ProfileId]:
        """Return some people at random, about `size`; everybody, if there are not many more."""
        ids = self._ids(None)
        return ids[:: max(1, len(ids) // size)]

    def holding(
        self, rules: Sequence[Expression], given: Given, among: Stretch | Collection[ProfileId]
    ) -> list[Holding]:
        """Return for whom each rule holds."""
        del given
        return [Holding(frozenset(), frozenset(self._among(among))) for _ in rules]

    def _ids(self, after: ProfileId | None) -> list[ProfileId]:
        return sorted(row.id for row in self._work.profiles.all() if after is None or row.id > after)

    def _among(self, among: Stretch | Collection[ProfileId]) -> list[ProfileId]:
        if isinstance(among, Stretch):
            return [key for key in self._ids(among.after) if key <= among.upto]
        return sorted(key for key in set(among) if self._work.profiles.get(key) is not None)
