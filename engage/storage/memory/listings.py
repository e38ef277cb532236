"""Providers' lists in memory."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from engage.domain.consent.consent import ConsentState
from engage.domain.delivery.delivery import Channel
from engage.ports.listing import SUPPRESSING, UNSUBSCRIBED, Listed
from engage.storage.memory.work import Work


class MemoryListings:
    """What we last saw on a provider's lists."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def keep(self, provider: str, seen: Sequence[Listed]) -> list[Listed]:
        """Remember these; return those that were not known, or are there anew since."""
        fresh: dict[tuple[str, str], Listed] = {}
        for one in seen:
            key = (one.address, provider, one.listing)
            self._work.lock(("listed", key))
            there = self._work.listed.get(key)
            if there is None or one.at > there.at:
                self._work.listed.put(key, one)
                fresh[one.address, one.listing] = one
        return list(fresh.values())

    def drop(self, provider: str, gone: Sequence[Listed]) -> None:
        """Forget these, at this age or older."""
        for one in gone:
            key = (one.address, provider, one.listing)
            there = self._work.listed.get(key)
            if there is not None and there.at <= one.at:
                self._work.listed.delete(key)

    def untold(self, provider: str, topics: Mapping[str, str], limit: int) -> list[Listed]:
        """Return each no of our ledger about mail that the provider's list lacks."""
        return _first(self._untold(provider, topics), limit)

    def _untold(self, provider: str, topics: Mapping[str, str]) -> Iterator[Listed]:
        seen = self._seen(provider)
        addresses = {address for address, _ in seen}
        for row in self._work.subscriptions.all():
            address, channel = row.key.address or "", row.key.channel
            if channel != Channel.EMAIL or "@" not in address or row.state is not ConsentState.UNSUBSCRIBED:
                continue
            for listing, topic in topics.items():
                if topic == row.key.topic and (address, listing) not in seen:
                    yield Listed(listing=listing, address=address, at=row.at)
        for bad in self._work.suppressions.all():
            is_ours = bad.channel == Channel.EMAIL and not bad.lifted and "@" in bad.address
            if is_ours and bad.address not in addresses:
                yield Listed(listing=UNSUBSCRIBED, address=bad.address, at=bad.at)

    def taken_back(self, provider: str, topics: Mapping[str, str], limit: int) -> list[Listed]:
        """Return what is on a provider's list although the person said yes to us since."""
        return _first(self._taken_back(provider, topics), limit)

    def _taken_back(self, provider: str, topics: Mapping[str, str]) -> Iterator[Listed]:
        for one in self._seen(provider).values():
            bad = self._work.suppressions.get((Channel.EMAIL, one.address))
            if one.listing in SUPPRESSING and bad is not None and bad.lifted and bad.at > one.at:
                yield one
            if bad is not None and not bad.lifted:
                continue
            for row in self._work.subscriptions.where("address", one.address):
                is_meant = row.key.channel == Channel.EMAIL and row.key.topic == topics.get(one.listing)
                if is_meant and row.state is ConsentState.SUBSCRIBED and row.at > one.at:
                    yield one

    def counts(self, provider: str) -> dict[str, int]:
        """Return how many addresses are on each list."""
        return dict(sorted(Counter(listing for _, listing in self._seen(provider)).items()))

    def _seen(self, provider: str) -> dict[tuple[str, str], Listed]:
        keys = {**self._work.listed.table.rows, **self._work.listed.changed}
        found = {key: self._work.listed.get(key) for key in keys if key[1] == provider}
        return {(address, listing): row for (address, _, listing), row in found.items() if row is not None}


def _first(found: Iterator[Listed], limit: int) -> list[Listed]:
    distinct = {(one.address, one.listing): one for one in found}
    return [distinct[key] for key in sorted(distinct)][:limit]
