"""One person's page in memory."""

from collections.abc import Collection, Sequence

import msgspec

from engage.domain.consent.consent import SuppressionEntry
from engage.domain.decision import Decision
from engage.domain.delivery.delivery import Delivery
from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event, Profile
from engage.domain.turn.changes import Origin
from engage.ports.reading import PAGE, DeliverySeen, Membership, Page, Subscription, Suppression
from engage.storage.coding import decoder
from engage.storage.cursor import event_id, instant, number, page, parts, uuid
from engage.storage.memory.people import profile_of
from engage.storage.memory.reading_base import MemoryReader, newest, seen


class MemoryPerson(MemoryReader):
    """One person's page."""

    def find(self, identifier: Identifier) -> ProfileId | None:
        """Return whom an identifier names."""
        row = self._look().identifiers.get(identifier)
        return None if row is None else row.profile

    def survivor(self, profile: ProfileId) -> ProfileId:
        """Return the profile that a merged one became part of; any other is its own."""
        pointer = self._look().merged.get(profile)
        return profile if pointer is None else pointer[1]

    def profile(self, profile: ProfileId) -> Profile | None:
        """Return a profile with its identifiers."""
        work = self._look()
        row = work.profiles.get(profile)
        return None if row is None else profile_of(work, row)

    def origins(self, profile: ProfileId) -> dict[Identifier, Origin]:
        """Return where a person's identifiers came from, in the order in which they came."""
        rows = sorted(self._look().identifiers.where("profile", profile), key=lambda row: row.seq)
        return {row.identifier: row.origin for row in rows if row.origin is not None}

    def sources(self, messages: Collection[str], among: Collection[str]) -> dict[str, str]:
        """Return by which of these sources messages came, of those that are still known."""
        seen = self._look().seen
        return {
            message: source
            for source in sorted(among, reverse=True)
            for message in messages
            if seen.get((source, message)) is not None
        }

    def audiences(self, profile: ProfileId) -> list[Membership]:
        """Return the audiences a person is in, by name."""
        rows = self._look().memberships.where("profile", profile)
        found = [Membership(audience=row.audience, since=row.at) for row in rows]
        return sorted(found, key=lambda membership: membership.audience)

    def consents(self, profile: ProfileId, addresses: Sequence[str] = ()) -> list[Subscription]:
        """Return the present consents of a person and of these addresses."""
        view = self._look().subscriptions
        rows = view.where("profile", profile) + view.among("address", addresses)
        found = [
            Subscription(
                channel=row.key.channel,
                topic=row.key.topic,
                state=row.state,
                at=row.at,
                source=row.source,
                address=row.key.address,
            )
            for row in rows
        ]
        return sorted(found, key=lambda one: (one.channel, one.topic, one.address is not None, one.address))

    def suppressions(self, addresses: Sequence[str]) -> list[Suppression]:
        """Return which of these addresses must not be used."""
        rows = [row for row in self._look().suppressions.all() if row.address in set(addresses)]
        found = [_suppression(row) for row in rows if not row.lifted]
        return sorted(found, key=lambda one: (one.channel, one.address))

    def runs(self, profile: ProfileId, after: str | None = None, limit: int = PAGE) -> Page[Run]:
        """Return a person's runs, newest entry first."""
        rows = newest(
            self._look().runs.where("profile", profile),
            lambda row: (row.entered_at, row.id),
            parts(after, instant, uuid),
            limit,
        )
        decode = decoder(Run).decode
        return page(rows, limit, lambda row: decode(row.doc), lambda row: (row.entered_at, row.id))

    def deliveries(
        self, profile: ProfileId, after: str | None = None, limit: int = PAGE
    ) -> Page[DeliverySeen]:
        """Return a person's deliveries, last asked first."""
        work, decode = self._look(), decoder(Delivery).decode
        rows = [(decode(row.doc).asked_at, row.id, row) for row in work.deliveries.where("profile", profile)]
        found = newest(rows, lambda row: row[:2], parts(after, instant, uuid), limit)
        return page(found, limit, lambda row: seen(work, row[2]), lambda row: row[:2])

    def decisions(self, profile: ProfileId, after: str | None = None, limit: int = PAGE) -> Page[Decision]:
        """Return what was decided about a person, last first."""
        decode = decoder(Decision).decode
        lines = self._look().decisions.where("profile", profile)
        rows = [(decision.at, line.seq, decision) for line in lines for decision in [decode(line.doc)]]
        found = newest(rows, lambda row: row[:2], parts(after, instant, number), limit)
        return page(
            found,
            limit,
            lambda row: msgspec.structs.replace(row[2], profile=profile),
            lambda row: row[:2],
        )

    def events(self, profile: ProfileId, after: str | None = None, limit: int = PAGE) -> Page[Event]:
        """Return what happened to a person, last first; reserved names that came from outside too."""
        rows = newest(
            self._look().events.where("profile", profile),
            lambda row: (row.key.timestamp, row.arrival, row.key.id),
            parts(after, instant, number, event_id),
            limit,
        )
        decode = decoder(Event).decode
        return page(
            rows,
            limit,
            lambda row: decode(row.doc),
            lambda row: (row.key.timestamp, row.arrival, row.key.id),
        )


def _suppression(row: SuppressionEntry) -> Suppression:
    return Suppression(
        channel=row.channel, address=row.address, reason=row.reason, at=row.at, source=row.source
    )
