"""Exporting from PostgreSQL: pages by key, each in a transaction of its own."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, LiteralString

from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.ports.reading import Subscription, Suppression
from engage.storage.coding import decoder
from engage.storage.postgres.reading_base import PostgresReader
from engage.storage.postgres.session import Session, texts, uuids
from engage.storage.postgres.whereabouts import BY_ADDRESS, BY_CONTENT, BY_PROFILE, by_profile, traces_of
from engage.storage.veil import PREFIX
from engage.storage.within import any_of

_PAGE = 2_000
_FIRST = "00000000-0000-0000-0000-000000000000"
_PEOPLE = "SELECT id, lane, created_at, bucket_key, merges, traits FROM profile WHERE id > %s::uuid ORDER BY id LIMIT %s"
_IDENTIFIERS = "SELECT profile_id, kind, value FROM identifier WHERE profile_id = ANY(%s::uuid[]) ORDER BY profile_id, seq"
_MEMBERSHIPS = "SELECT profile_id, audience FROM membership WHERE profile_id = ANY(%s::uuid[]) ORDER BY 1, 2"
# A person's own line is named by their first identifier; a line's proof is that of the newest entry which says the same.
_CONSENTS: LiteralString = """
SELECT s.channel, s.topic, s.state, s.at, s.source, s.scope, s.owner, named.name, proven.proof FROM (
    SELECT * FROM subscription
    WHERE (topic = '*') = %(whole)s AND (owner, scope, channel, topic) > (%(owner)s, %(scope)s, %(channel)s, %(topic)s)
    ORDER BY owner, scope, channel, topic LIMIT %(limit)s
) AS s
LEFT JOIN LATERAL (
    SELECT kind || ':' || value AS name FROM identifier WHERE s.scope = 'profile' AND profile_id::text = s.owner
    ORDER BY seq LIMIT 1
) AS named ON true
LEFT JOIN LATERAL (
    SELECT proof FROM consent
    WHERE s.scope = 'address' AND consent.address = s.owner AND consent.channel = s.channel AND consent.topic = s.topic
        AND consent.at = s.at
    ORDER BY id DESC LIMIT 1
) AS proven ON true
ORDER BY s.owner, s.scope, s.channel, s.topic
"""
_SUPPRESSIONS = """
SELECT channel, address, reason, at, source, lifted FROM suppression WHERE (address, channel) > (%s, %s)
ORDER BY address, channel LIMIT %s
"""


class PostgresExporting(PostgresReader):
    """Reads everything of a kind, and everything about somebody."""

    def people(self) -> Iterator[tuple[Profile, Sequence[str]]]:
        """Yield everybody, with the audiences they are in."""
        after = _FIRST
        while True:
            with self._session() as session:
                rows = session.rows(_PEOPLE, after, _PAGE)
                ids = uuids(row[0] for row in rows)
                names, inside = _grouped(session, _IDENTIFIERS, ids), _grouped(session, _MEMBERSHIPS, ids)
            for row in rows:
                yield (
                    _profile(row, names.get(row[0], [])),
                    [audience for (audience,) in inside.get(row[0], [])],
                )
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def consents(self) -> Iterator[tuple[Subscription, str | None, str | None]]:
        """Yield present consents, those of a topic before those of a whole channel."""
        for whole in (False, True):
            key: tuple[str, str, str, str] = ("", "", "", "")
            while True:
                with self._session() as session:
                    owner, scope, channel, topic = key
                    rows = session.named(
                        _CONSENTS,
                        whole=whole,
                        owner=owner,
                        scope=scope,
                        channel=channel,
                        topic=topic,
                        limit=_PAGE,
                    )
                for row in rows:
                    key = (row[6], row[5], row[0], row[1])
                    if not row[6].startswith(PREFIX):
                        yield _subscription(row), row[7], row[8]
                if len(rows) < _PAGE:
                    break

    def suppressions(self) -> Iterator[Suppression]:
        """Yield the addresses that must not be used."""
        key = ("", "")
        while True:
            with self._session() as session:
                rows = session.rows(_SUPPRESSIONS, *key, _PAGE)
            for channel, address, reason, at, source, lifted in rows:
                key = (address, channel)
                if not lifted and not address.startswith(PREFIX):
                    yield Suppression(channel=channel, address=address, reason=reason, at=at, source=source)
            if len(rows) < _PAGE:
                return

    def about(self, profile: ProfileId) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return every row we hold about a person, by table."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        with self._session() as session:
            traces = traces_of(session, [profile])
            for table, condition in BY_PROFILE:
                found.setdefault(table, []).extend(
                    _rows(session, table, condition, by_profile(traces.profiles, condition))
                )
            for table, condition in BY_ADDRESS:
                known = found.setdefault(table, [])
                known += [
                    row
                    for row in _rows(session, table, condition, texts(traces.addresses))
                    if row not in known
                ]
            for table in BY_CONTENT:
                found[table] = _held(session, table, any_of(traces.names))
        return found


def _grouped(session: Session, query: LiteralString, ids: str) -> dict[str, list[tuple[Any, ...]]]:
    rows = session.rows(query, ids)
    return {owner: [row[1:] for row in group] for owner, group in groupby(rows, key=itemgetter(0))}


def _profile(row: tuple[Any, ...], names: Sequence[tuple[Any, ...]]) -> Profile:
    return Profile(
        id=row[0],
        lane=row[1],
        created_at=row[2],
        bucket_key=row[3],
        merges=row[4],
        traits=decoder(dict).decode(row[5]),
        identifiers=[Identifier(kind, value) for kind, value in names],
    )


def _subscription(row: tuple[Any, ...]) -> Subscription:
    channel, topic, state, at, source, scope, owner = row[:7]
    return Subscription(
        channel=channel,
        topic=topic,
        state=state,
        at=at,
        source=source,
        address=owner if scope == "address" else None,
    )


def _rows(
    session: Session, table: LiteralString, condition: LiteralString, value: str
) -> list[dict[str, Any]]:
    query: LiteralString = f"SELECT to_json(found) FROM {table} AS found WHERE {condition}"  # noqa: S608 - names of our own
    return [decoder(dict).decode(row) for (row,) in session.rows(query, value)]


def _held(session: Session, table: LiteralString, within: str) -> list[Mapping[str, Any]]:
    """Return what lies in a table of bytes, as far as it is text."""
    query: LiteralString = (
        f"SELECT received_at, payload FROM {table} WHERE encode(payload, 'escape') ~* %s ORDER BY received_at"  # noqa: S608 - names of our own
    )
    return [
        {"received_at": at, "payload": bytes(payload).decode("utf-8", "replace")}
        for at, payload in session.rows(query, within)
    ]
