"""People in PostgreSQL."""

from collections.abc import Collection

from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.domain.profile.trait_times import TraitTimes
from engage.ports.erasing import Erased
from engage.storage.coding import decoder
from engage.storage.postgres.erasing import erase
from engage.storage.postgres.session import Session, texts, uuids

_LOCK = """
SELECT id, lane, created_at, bucket_key, merges, traits, trait_times, told_again FROM profile
WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE
"""
_HOLD = "SELECT id FROM profile WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE"
_LOCK_FREE = _LOCK + " SKIP LOCKED"
# A statement of its own, after the locks: one with the lock would see identifiers as they were before the wait.
_IDENTIFIERS = (
    "SELECT profile_id, kind, value FROM identifier WHERE profile_id = ANY(%s::uuid[]) ORDER BY seq"
)


_PAGE = "SELECT id FROM profile WHERE id > %s::uuid ORDER BY id LIMIT %s"
_BEFORE_ALL = "00000000-0000-0000-0000-000000000000"

COUNTED_UP_TO = 50_000  # profiles; above, counting costs more than being right is worth


class PostgresPeople:
    """Profiles and their identifiers."""

    def __init__(self, session: Session, pepper: bytes = b"") -> None:
        """Work inside a transaction; `pepper` keys what is left of erased addresses."""
        self._session, self._pepper = session, pepper

    def erase(
        self,
        profiles: Collection[ProfileId],
        *,
        named: Identifier | None = None,
        before: int | None = None,
    ) -> Erased:
        """Erase locked people from every table."""
        return erase(self._session, profiles, self._pepper, named=named, before=before)

    def find(self, identifiers: Collection[Identifier]) -> dict[Identifier, ProfileId]:
        """Return the profiles that identifiers name, unlocked."""
        if not identifiers:
            return {}
        wanted = set(identifiers)
        rows = self._session.rows(
            "SELECT kind, value, profile_id FROM identifier WHERE value = ANY(%s::text[])",
            texts(identifier.value for identifier in wanted),
        )
        found = {Identifier(kind, value): ProfileId(profile) for kind, value, profile in rows}
        return {identifier: profile for identifier, profile in found.items() if identifier in wanted}

    def lock(self, profiles: Collection[ProfileId], *, skip_locked: bool = False) -> dict[ProfileId, Profile]:
        """Lock profiles in id order and return them, each with its identifiers."""
        if not profiles:
            return {}
        traits, times = decoder(dict).decode, decoder(dict[str, TraitTimes]).decode
        again = decoder(list[int]).decode
        found = {
            row[0]: Profile(
                id=row[0],
                lane=row[1],
                created_at=row[2],
                bucket_key=row[3],
                merges=row[4],
                traits=traits(row[5]),
                trait_times=times(row[6]),
                told_again=again(row[7]),
            )
            for row in self._session.rows(_LOCK_FREE if skip_locked else _LOCK, uuids(profiles))
        }
        if found:
            for profile, kind, value in self._session.rows(_IDENTIFIERS, uuids(found)):
                found[profile].identifiers.append(Identifier(kind, value))
        return found

    def hold(self, profiles: Collection[ProfileId]) -> set[ProfileId]:
        """Lock profiles in id order without reading them; return which are there."""
        return {profile for (profile,) in self._session.rows(_HOLD, uuids(profiles))} if profiles else set()

    def page(self, after: ProfileId | None, limit: int) -> list[ProfileId]:
        """Return profile ids in order, after one."""
        rows = self._session.rows(_PAGE, after or _BEFORE_ALL, limit)
        return [profile for (profile,) in rows]

    def count(self) -> int:
        """Return how many profiles there are; of very many the planner's estimate."""
        estimate = int(self._session.one("SELECT reltuples FROM pg_class WHERE oid = 'profile'::regclass"))
        if estimate > COUNTED_UP_TO:
            return estimate
        return int(self._session.one("SELECT count(*) FROM profile"))

    def memberships(self, profiles: Collection[ProfileId]) -> dict[ProfileId, set[str]]:
        """Return the audiences people are in; whoever is in none has an empty set."""
        found: dict[ProfileId, set[str]] = {profile: set() for profile in profiles}
        if found:
            query = "SELECT profile_id, audience FROM membership WHERE profile_id = ANY(%s::uuid[])"
            for profile, audience in self._session.rows(query, uuids(profiles)):
                found[profile].add(audience)
        return found
