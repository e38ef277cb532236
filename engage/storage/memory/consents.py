"""Consent and suppression in memory."""

from collections.abc import Collection, Mapping, Sequence

from msgspec import structs

from engage.domain.consent.consent import ConsentEntry, Consents, SuppressionEntry, family
from engage.domain.ids import ProfileId
from engage.storage.memory.rows import SubscriptionKey, SubscriptionRow, logged
from engage.storage.memory.work import Work
from engage.storage.veil import veiled


class MemoryConsents:
    """Consent and suppression."""

    def __init__(self, work: Work, pepper: bytes = b"") -> None:
        """Work inside a transaction; `pepper` keys what is left of erased addresses."""
        self._work, self._pepper = work, pepper

    def view(
        self, profiles: Collection[ProfileId], addresses: Mapping[ProfileId, Collection[tuple[str, str]]]
    ) -> dict[ProfileId, Consents]:
        """Return the present view for people and their (channel, address) pairs, each profile its own."""
        found = {profile: Consents() for profile in profiles}
        for profile, consents in found.items():
            for row in self._work.subscriptions.where("profile", profile):
                consents.by_profile[row.key.channel, row.key.topic] = row.state
            for channel, address in addresses.get(profile, ()):
                self._at(family(channel), address, consents)
        return found

    def _at(self, channel: str, address: str, consents: Consents) -> None:
        # What is left of an erased address comes first: a later line of the address itself outweighs it.
        name = veiled(address, self._pepper)
        for row in self._work.subscriptions.among("address", (name, address)):
            if row.key.channel == channel:
                consents.by_address[channel, address, row.key.topic] = row.state
        suppression = self._work.suppressions.get((channel, address))
        suppression = suppression or self._work.suppressions.get((channel, name))
        if suppression is not None and not suppression.lifted:
            consents.suppressed[channel, address] = suppression.reason

    def veiled(self, address: str) -> str:
        """Return the name under which an erased address goes on."""
        return veiled(address, self._pepper)

    def append(self, entries: Sequence[ConsentEntry], suppressions: Sequence[SuppressionEntry] = ()) -> None:
        """Append to the ledger and move the present view along; a line older than the view changes nothing there."""
        work = self._work
        for entry in entries:
            seq = next(work.sequences.other)
            work.consents.put(seq, logged(seq, entry))
            kind = family(entry.channel)
            if entry.address is not None:
                self._subscribe(SubscriptionKey(None, entry.address, kind, entry.topic), entry)
            if entry.profile is not None:
                self._subscribe(SubscriptionKey(entry.profile, None, kind, entry.topic), entry)
        for suppression in suppressions:
            kind = family(suppression.channel)
            key = (kind, suppression.address)
            work.lock(("suppression", key))
            there = work.suppressions.get(key)
            if there is None or suppression.at >= there.at:
                work.suppressions.put(key, structs.replace(suppression, channel=kind))

    def _subscribe(self, key: SubscriptionKey, entry: ConsentEntry) -> None:
        self._work.lock(("subscription", key))
        there = self._work.subscriptions.get(key)
        if there is None or entry.at >= there.at:
            self._work.subscriptions.put(key, SubscriptionRow(key, entry.state, entry.at, entry.source))
