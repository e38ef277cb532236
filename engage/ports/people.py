"""People: profiles and their identifiers, as storage gives them."""

from collections.abc import Collection
from typing import Protocol

from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.ports.erasing import Erased


class People(Protocol):
    """Profiles and their identifiers."""

    def find(self, identifiers: Collection[Identifier]) -> dict[Identifier, ProfileId]:
        """Return the profiles that identifiers name; unlocked, so look again after locking."""
        ...

    def lock(self, profiles: Collection[ProfileId], *, skip_locked: bool = False) -> dict[ProfileId, Profile]:
        """Lock profiles in id order and return them, each with its identifiers. Missing or skipped ones are absent."""
        ...

    def page(self, after: ProfileId | None, limit: int) -> list[ProfileId]:
        """Return profile ids in order, after one: how a job walks through everybody."""
        ...

    def count(self) -> int:
        """Return about how many profiles there are."""
        ...

    def hold(self, profiles: Collection[ProfileId]) -> set[ProfileId]:
        """Lock profiles in id order without reading them; return which are there."""
        ...

    def memberships(self, profiles: Collection[ProfileId]) -> dict[ProfileId, set[str]]:
        """Return the audiences people are in."""
        ...

    def erase(
        self, profiles: Collection[ProfileId], *, named: Identifier | None = None, before: int | None = None
    ) -> Erased:
        """Erase locked people, and what stands under the name they were asked for by, from every table.

        Facts in the inbox that name them go if they came before the one numbered `before`. The "no" of each address goes on
        under a keyed hash of it, for `consents.view` to find; what is written for the address later outweighs it."""
        ...
