"""Exporting: everything of a kind, read in the order of its key while work goes on; and everything about one person."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.ports.reading import Subscription, Suppression


class Exporting(Protocol):
    """Reads in pages: no transaction is longer than one."""

    def people(self) -> Iterator[tuple[Profile, Sequence[str]]]:
        """Yield everybody, with the audiences they are in."""
        ...

    def consents(self) -> Iterator[tuple[Subscription, str | None, str | None]]:
        """Yield present consents — of a topic before those of a whole channel — each with a name of its person, where it is not
        an address's, and its proof. What is left of erased people is not among them."""
        ...

    def suppressions(self) -> Iterator[Suppression]:
        """Yield the addresses that must not be used. What is left of erased people is not among them."""
        ...

    def about(self, profile: ProfileId) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return every row we hold about a person, by table: what erasing them would remove."""
        ...
