"""One person's page in PostgreSQL."""

from collections.abc import Collection, Sequence
from typing import Any

from engage.domain.decision import Decided, Decision
from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event, Profile
from engage.domain.profile.trait_times import TraitTimes
from engage.domain.turn.changes import Origin
from engage.ports.reading import PAGE, DeliverySeen, Membership, Page, Subscription, Suppression
from engage.storage.coding import decoder
from engage.storage.cursor import event_id, instant, number, page, parts, uuid
from engage.storage.postgres.reading_base import PostgresReader, seen
from engage.storage.postgres.session import texts

_PROFILE = "SELECT id, lane, created_at, bucket_key, merges, traits, trait_times, told_again FROM profile WHERE id = %s::uuid"
_IDENTIFIERS = "SELECT kind, value FROM identifier WHERE profile_id = %s::uuid ORDER BY seq"
_ORIGINS = """
SELECT kind, value, since, message_id FROM identifier WHERE profile_id = %s::uuid AND since IS NOT NULL ORDER BY seq
"""
# Each pair is one look-up by key: there are a few sources, and a page of messages.
_SOURCES = """
SELECT message_id, min(source) FROM unnest(%s::text[]) AS s (source) CROSS JOIN unnest(%s::text[]) AS m (message_id)
JOIN seen USING (source, message_id) GROUP BY message_id
"""
_CONSENTS = """
SELECT channel, topic, state, at, source, scope, owner FROM subscription
WHERE owner = %(profile)s AND scope = 'profile' OR owner = ANY(%(addresses)s::text[]) AND scope = 'address'
ORDER BY channel, topic, scope DESC, owner
"""
_SUPPRESSIONS = """
SELECT channel, address, reason, at, source FROM suppression WHERE address = ANY(%s::text[]) AND NOT lifted
ORDER BY channel, address
"""
_RUNS = """
SELECT doc, entered_at, id FROM run
WHERE profile_id = %(profile)s::uuid
    AND (%(at)s::timestamptz IS NULL OR (entered_at, id) < (%(at)s::timestamptz, %(key)s::uuid))
ORDER BY entered_at DESC, id DESC LIMIT %(limit)s
"""
_DELIVERIES = """
SELECT doc, asked_at, id FROM delivery
WHERE profile_id = %(profile)s::uuid
    AND (%(at)s::timestamptz IS NULL OR (asked_at, id) < (%(at)s::timestamptz, %(key)s::uuid))
ORDER BY asked_at DESC, id DESC LIMIT %(limit)s
"""
_DECISIONS = """
SELECT profile_id, at, kind, outcome, journey, run_id, step, delivery_id, reason, rule, "values", id FROM decision
WHERE profile_id = %(profile)s::uuid
    AND (%(at)s::timestamptz IS NULL OR (at, id) < (%(at)s::timestamptz, %(key)s::bigint))
ORDER BY at DESC, id DESC LIMIT %(limit)s
"""
_EVENTS = """
SELECT id, profile_id, name, type, timestamp, received_at, arrival, properties, epoch FROM event
WHERE profile_id = %(profile)s::uuid AND (
    %(at)s::timestamptz IS NULL
    OR (timestamp, arrival, id) < (%(at)s::timestamptz, %(arrival)s::bigint, %(key)s)
)
ORDER BY timestamp DESC, arrival DESC, id DESC LIMIT %(limit)s
"""


class PostgresPerson(PostgresReader):
    """One person's page."""

    def find(self, identifier: Identifier) -> ProfileId | None:
        """Return whom an identifier names."""
        query = "SELECT profile_id FROM identifier WHERE value = %s AND kind = %s"
        with self._session() as session:
            rows = session.rows(query, identifier.value, identifier.kind)
        return rows[0][0] if rows else None

    def survivor(self, profile: ProfileId) -> ProfileId:
        """Return the profile that a merged one became part of; any other is its own."""
        with self._session() as session:
            rows = session.rows("SELECT kept FROM merged WHERE lost = %s::uuid", profile)
        return rows[0][0] if rows else profile

    def profile(self, profile: ProfileId) -> Profile | None:
        """Return a profile with its identifiers."""
        with self._session() as session:
            rows = session.rows(_PROFILE, profile)
            names = session.rows(_IDENTIFIERS, profile)
        if not rows:
            return None
        key, lane, created_at, bucket_key, merges, traits, times, again = rows[0]
        return Profile(
            id=key,
            lane=lane,
            created_at=created_at,
            bucket_key=bucket_key,
            merges=merges,
            traits=decoder(dict).decode(traits),
            trait_times=decoder(dict[str, TraitTimes]).decode(times),
            told_again=decoder(list[int]).decode(again),
            identifiers=[Identifier(kind, value) for kind, value in names],
        )

    def origins(self, profile: ProfileId) -> dict[Identifier, Origin]:
        """Return where a person's identifiers came from, in the order in which they came."""
        with self._session() as session:
            rows = session.rows(_ORIGINS, profile)
        return {Identifier(kind, value): Origin(since, message) for kind, value, since, message in rows}

    def sources(self, messages: Collection[str], among: Collection[str]) -> dict[str, str]:
        """Return by which of these sources messages came, of those that are still known."""
        with self._session() as session:
            return dict(session.rows(_SOURCES, texts(among), texts(messages)))

    def audiences(self, profile: ProfileId) -> list[Membership]:
        """Return the audiences a person is in, by name."""
        query = "SELECT audience, since FROM membership WHERE profile_id = %s::uuid ORDER BY audience"
        with self._session() as session:
            rows = session.rows(query, profile)
        return [Membership(audience=audience, since=since) for audience, since in rows]

    def consents(self, profile: ProfileId, addresses: Sequence[str] = ()) -> list[Subscription]:
        """Return the present consents of a person and of these addresses."""
        with self._session() as session:
            rows = session.named(_CONSENTS, profile=profile, addresses=texts(addresses))
        return [
            Subscription(
                channel=channel,
                topic=topic,
                state=state,
                at=at,
                source=source,
                address=owner if scope == "address" else None,
            )
            for channel, topic, state, at, source, scope, owner in rows
        ]

    def suppressions(self, addresses: Sequence[str]) -> list[Suppression]:
        """Return which of these addresses must not be used."""
        with self._session() as session:
            rows = session.rows(_SUPPRESSIONS, texts(addresses))
        return [
            Suppression(channel=channel, address=address, reason=reason, at=at, source=source)
            for channel, address, reason, at, source in rows
        ]

    def runs(self, profile: ProfileId, after: str | None = None, limit: int = PAGE) -> Page[Run]:
        """Return a person's runs, newest entry first."""
        at, key = parts(after, instant, uuid) or (None, None)
        with self._session() as session:
            rows = session.named(_RUNS, profile=profile, at=at, key=key, limit=limit + 1)
        decode = decoder(Run).decode
        return page(rows, limit, lambda row: decode(row[0]), lambda row: row[1:])

    def deliveries(
        self, profile: ProfileId, after: str | None = None, limit: int = PAGE
    ) -> Page[DeliverySeen]:
        """Return a person's deliveries, last asked first."""
        at, key = parts(after, instant, uuid) or (None, None)
        with self._session() as session:
            rows = session.named(_DELIVERIES, profile=profile, at=at, key=key, limit=limit + 1)
            found = seen(session, [row[0] for row in rows])
        pairs = list(zip(found, rows, strict=True))
        return page(pairs, limit, lambda pair: pair[0], lambda pair: pair[1][1:])

    def decisions(self, profile: ProfileId, after: str | None = None, limit: int = PAGE) -> Page[Decision]:
        """Return what was decided about a person, last first."""
        at, key = parts(after, instant, number) or (None, None)
        with self._session() as session:
            rows = session.named(_DECISIONS, profile=profile, at=at, key=key, limit=limit + 1)
        return page(rows, limit, _decision, lambda row: (row[1], row[11]))

    def events(self, profile: ProfileId, after: str | None = None, limit: int = PAGE) -> Page[Event]:
        """Return what happened to a person, last first; reserved names that came from outside too."""
        at, arrival, key = parts(after, instant, number, event_id) or (None, None, None)
        with self._session() as session:
            rows = session.named(_EVENTS, profile=profile, at=at, arrival=arrival, key=key, limit=limit + 1)
        return page(rows, limit, _event, lambda row: (row[4], row[6], row[0]))


def _decision(row: tuple[Any, ...]) -> Decision:
    profile, at, kind, outcome, journey, run, step, delivery, reason, rule, values, _ = row
    return Decision(
        profile=profile,
        at=at,
        kind=Decided(kind),
        outcome=outcome,
        journey=journey,
        run=run,
        step=step,
        delivery=delivery,
        reason=reason,
        rule=rule,
        values=decoder(dict).decode(values),
    )


def _event(row: tuple[Any, ...]) -> Event:
    key, profile, name, kind, timestamp, received_at, arrival, properties, epoch = row
    return Event(
        id=key,
        profile=profile,
        name=name,
        type=kind,
        timestamp=timestamp,
        received_at=received_at,
        arrival=arrival,
        properties=decoder(dict).decode(properties),
        epoch=epoch,
    )
