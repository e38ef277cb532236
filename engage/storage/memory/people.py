"""People in memory."""

from collections.abc import Collection

from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.ports.erasing import Erased
from engage.storage.coding import decoder, encode
from engage.storage.memory.erasing import erase
from engage.storage.memory.rows import ProfileRow
from engage.storage.memory.work import Work


class MemoryPeople:
    """Profiles and their identifiers."""

    def __init__(self, work: Work, pepper: bytes = b"") -> None:
        """Work inside a transaction; `pepper` keys what is left of erased addresses."""
        self._work, self._pepper = work, pepper

    def erase(
        self,
        profiles: Collection[ProfileId],
        *,
        named: Identifier | None = None,
        before: int | None = None,
    ) -> Erased:
        """Erase locked people from every table."""
        return erase(self._work, profiles, self._pepper, named=named, before=before)

    def find(self, identifiers: Collection[Identifier]) -> dict[Identifier, ProfileId]:
        """Return the profiles that identifiers name, unlocked."""
        get = self._work.identifiers.get
        return {identifier: row.profile for identifier in identifiers if (row := get(identifier)) is not None}

    def lock(self, profiles: Collection[ProfileId], *, skip_locked: bool = False) -> dict[ProfileId, Profile]:
        """Lock profiles in id order and return them, each with its identifiers."""
        work, found = self._work, {}
        for profile in sorted(set(profiles)):
            if work.profiles.get(profile) is None:
                continue
            if skip_locked:
                if not work.try_lock(("profile", profile)):
                    continue
            else:
                work.lock(("profile", profile))
            row = work.profiles.get(profile)
            if row is not None:
                found[profile] = profile_of(work, row)
        return found

    def hold(self, profiles: Collection[ProfileId]) -> set[ProfileId]:
        """Lock profiles in id order without reading them; return which are there."""
        return set(self.lock(profiles))

    def page(self, after: ProfileId | None, limit: int) -> list[ProfileId]:
        """Return profile ids in order, after one."""
        ids = sorted(row.id for row in self._work.profiles.all() if after is None or row.id > after)
        return ids[:limit]

    def count(self) -> int:
        """Return how many profiles there are."""
        return len(self._work.profiles.all())

    def memberships(self, profiles: Collection[ProfileId]) -> dict[ProfileId, set[str]]:
        """Return the audiences people are in; whoever is in none has an empty set."""
        where = self._work.memberships.where
        return {profile: {row.audience for row in where("profile", profile)} for profile in profiles}


def profile_row(profile: Profile) -> ProfileRow:
    """Return the row of a profile; identifiers have their own table."""
    bare = Profile(
        id=profile.id,
        bucket_key=profile.bucket_key,
        created_at=profile.created_at,
        lane=profile.lane,
        traits=profile.traits,
        trait_times=profile.trait_times,
        told_again=profile.told_again,
        merges=profile.merges,
    )
    return ProfileRow(profile.id, profile.lane, encode(bare))


def profile_of(work: Work, row: ProfileRow) -> Profile:
    """Return the profile of a row, with its identifiers in the order in which they came."""
    profile = decoder(Profile).decode(row.doc)
    rows = sorted(work.identifiers.where("profile", row.id), key=lambda row: row.seq)
    profile.identifiers = [row.identifier for row in rows]
    return profile
