"""Consenting: the ledger of consent, and the list of addresses that must not be used."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from engage.domain.consent.consent import ConsentEntry, Consents, SuppressionEntry
from engage.domain.ids import ProfileId


class ConsentLedger(Protocol):
    """Consent and suppression."""

    def view(
        self, profiles: Collection[ProfileId], addresses: Mapping[ProfileId, Collection[tuple[str, str]]]
    ) -> dict[ProfileId, Consents]:
        """Return the present view for people and their (channel, address) pairs, each profile its own."""
        ...

    def veiled(self, address: str) -> str:
        """Return the name under which an erased address goes on: a keyed hash, which `view` finds by the address."""
        ...

    def append(self, entries: Sequence[ConsentEntry], suppressions: Sequence[SuppressionEntry] = ()) -> None:
        """Append to the ledger and move the present view along; visible to everybody at commit."""
        ...
