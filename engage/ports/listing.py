"""Listing: the lists of addresses that a provider refuses by itself, and what we last saw on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec

from engage.domain.errors import EngageError

BOUNCED, INVALID, COMPLAINED, UNSUBSCRIBED = "bounced", "invalid", "complained", "unsubscribed"
"""Lists that every such provider has; `unsubscribed` holds who wants no mail at all."""
SUPPRESSING = frozenset({BOUNCED, INVALID, COMPLAINED})
"""Whoever is on one of these must not be written to, whatever they said."""
GROUP = "group:"
"""Begins the name of a list that is about one topic: `group:12`."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An address on a provider's list, since when."""

    listing: str
    address: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some of a list; `more`: there may be others behind them."""

    entries: Sequence[tuple[str, datetime | None]]
    """(address, since when); a list that does not say when has none."""
    more: bool


class ListsAwayError(EngageError):
    """The provider did not say, or did not take it; asking again is safe. The text names no address."""


class ProviderLists(Protocol):
    """A provider's own lists. Thread-safe. Every call is idempotent, has a time-out and is not repeated inside."""

    provider: str
    listings: Sequence[str]
    """What there is beside groups."""

    def page(self, listing: str, since: datetime | None, offset: int) -> Page:
        """Return some of a list, of what came onto it since then.

        Raises:
            ListsAwayError: the provider did not say.
        """
        ...

    def add(self, listing: str, addresses: Sequence[str]) -> None:
        """Put addresses on `unsubscribed` or a group; which are there already stay.

        Raises:
            ListsAwayError: the provider did not take it.
        """
        ...

    def remove(self, listing: str, address: str) -> None:
        """Take an address off a list; one that is not there is no error.

        Raises:
            ListsAwayError: the provider did not take it.
        """
        ...


class Listings(Protocol):
    """What we last saw on a provider's lists. `topics` says which topic of the ledger a list stands for."""

    def keep(self, provider: str, seen: Sequence[Listed]) -> list[Listed]:
        """Remember these; return those that were not known, or are there anew since."""
        ...

    def drop(self, provider: str, gone: Sequence[Listed]) -> None:
        """Forget these, at this age or older."""
        ...

    def untold(self, provider: str, topics: Mapping[str, str], limit: int) -> list[Listed]:
        """Return each no of our ledger about mail that the provider's list lacks, with the list it belongs on.

        Suppressed addresses belong on `unsubscribed` unless the provider has them on any list.
        """
        ...

    def taken_back(self, provider: str, topics: Mapping[str, str], limit: int) -> list[Listed]:
        """Return what is on a provider's list although the person said yes to us since."""
        ...

    def counts(self, provider: str) -> dict[str, int]:
        """Return how many addresses are on each list."""
        ...
