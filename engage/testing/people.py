"""People of a scenario: how the names in it become identifiers and profiles, and where they fall in splits."""

from collections.abc import Collection, Mapping
from datetime import datetime

from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId, bucket_key
from engage.domain.profile.person import Person
from engage.domain.profile.profile import Profile
from engage.ports.storage import Transaction
from engage.project.scenario import Choices

ANONYMOUS = "anon-"


def identifier_of(name: str) -> Identifier:
    """Return what a name in a scenario identifies: `anon-…` an anonymous id, everything else a user id."""
    return Identifier("anonymous_id" if name.startswith(ANONYMOUS) else "user_id", name)


def mint(identifier: Identifier, now: datetime) -> ProfileId:
    """Return the id of a new profile: the text of `uuid5(NAMESPACE_OID, name)`."""
    del now
    return ProfileId(bucket_key(identifier.value))


def names_of(profile: Profile) -> list[str]:
    """Return the names under which a scenario may speak of a profile, user ids first."""
    kinds = ("user_id", "anonymous_id")
    return [i.value for kind in kinds for i in profile.identifiers if i.kind == kind]


class FixedChoices:
    """Splits and holdouts as a scenario fixes them: exactly these people are held out, without any nobody is."""

    def __init__(self, choices: Choices) -> None:
        self._arms, self._held_out = choices.arms, choices.holdout

    def arm(self, person: Person, step: str) -> str | None:
        """Return the arm fixed for this person at a split; none: by hash."""
        fixed = self._arms.get(step)
        if fixed is None:
            return None
        return next((fixed[name] for name in names_of(person.profile) if name in fixed), None)

    def held_out(self, person: Person, journey: str) -> bool:
        """Return whether the scenario holds this person out."""
        del journey
        return bool(self._held_out) and not self._held_out.isdisjoint(names_of(person.profile))


def profiles_of(tx: Transaction, names: Collection[str]) -> dict[str, ProfileId]:
    """Return the profiles that names stand for now; a name nobody has is missing."""
    wanted = {name: identifier_of(name) for name in names}
    found = tx.people.find(set(wanted.values())) if wanted else {}
    return {name: found[identifier] for name, identifier in wanted.items() if identifier in found}


def shown_names(profiles: Mapping[ProfileId, Profile]) -> dict[ProfileId, str]:
    """Return how to speak of profiles in a report."""
    shown = {}
    for profile_id, profile in profiles.items():
        names = names_of(profile) or [identifier.value for identifier in profile.identifiers]
        shown[profile_id] = names[0] if names else profile_id
    return shown


def memberships(tx: Transaction) -> dict[ProfileId, set[str]]:
    """Return the audiences of everybody."""
    found: dict[ProfileId, set[str]] = {}
    after: ProfileId | None = None
    while page := tx.people.page(after, 1000):
        found |= tx.people.memberships(page)
        after = page[-1]
    return found
