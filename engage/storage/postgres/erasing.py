"""Erasing people from PostgreSQL: every table, but for the "no" of their addresses, which goes on veiled."""

from collections import Counter
from collections.abc import Collection
from typing import Any, LiteralString

from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.ports.erasing import Erased
from engage.storage.postgres.session import Session, json, texts
from engage.storage.postgres.whereabouts import (
    BY_ADDRESS,
    BY_PROFILE,
    Traces,
    by_profile,
    traces_of,
)
from engage.storage.veil import NOBODY, just_before, veiled
from engage.storage.within import any_of, without, words_in

_VEILS = "WITH veil AS (SELECT plain, name FROM json_to_recordset(%s) AS (plain text, name text)) "
_KEEP_NO = """
INSERT INTO subscription (owner, scope, channel, topic, state, at, source)
SELECT name, 'address', channel, topic, state, at, 'erased' FROM subscription JOIN veil ON owner = plain
WHERE scope = 'address' AND state = 'unsubscribed'
ON CONFLICT (owner, scope, channel, topic) DO NOTHING
"""
_KEEP_SUPPRESSED = """
INSERT INTO suppression (address, channel, reason, at, source, lifted)
SELECT name, channel, 'erased', at, 'erased', false FROM suppression JOIN veil ON address = plain
WHERE NOT lifted
ON CONFLICT (address, channel) DO UPDATE SET lifted = false
"""
# What was seen is known by the sender's own ids; only one that spells out a name must go, and then may come again.
_TELLING_IDS = "SELECT id FROM event WHERE profile_id = ANY(%s::uuid[]) AND id ~* %s"
_SEEN = "DELETE FROM seen WHERE message_id = ANY(%s::text[])"
_INBOX = "DELETE FROM inbox WHERE seq < %s AND encode(payload, 'escape') ~* %s"
# By the index of words first; what has none is read through. A waiting fact has no index but its lane: the inbox is a queue.
_QUARANTINE = """
DELETE FROM quarantine WHERE id = ANY(ARRAY(
    SELECT q.id FROM json_array_elements(%s) AS name, LATERAL (
        SELECT id FROM quarantine WHERE words @> ARRAY(SELECT json_array_elements_text(name))
    ) AS q
    UNION SELECT id FROM quarantine WHERE words IS NULL
)) AND (encode(payload, 'escape') ~* %s OR detail ~* %s)
"""
_JOBS = "SELECT name, cursor, data::text FROM job WHERE cursor = ANY(%s::text[]) OR data::text ~* %s"
_MOVED = "UPDATE job SET cursor = %s, data = %s::json WHERE name = %s"


def erase(
    session: Session,
    profiles: Collection[ProfileId],
    pepper: bytes,
    *,
    named: Identifier | None = None,
    before: int | None = None,
) -> Erased:
    """Erase locked people; see `People.erase`."""
    gone: Counter[str] = Counter()
    traces = _with(traces_of(session, list(profiles)), named)
    if not traces.names:
        return Erased()
    within = any_of(traces.names)
    _veil(session, traces, pepper)
    for table, condition in BY_ADDRESS:
        gone[table] += session.run(_delete(table, condition), texts(traces.addresses))
    telling = [key for (key,) in session.rows(_TELLING_IDS, by_profile(traces.profiles, ""), within)]
    if telling:
        gone["seen"] += session.run(_SEEN, texts(telling))
    gone["quarantine"] += session.run(_QUARANTINE, json(_worded(traces.names)), within, within)
    if before is not None:
        gone["inbox"] += session.run(_INBOX, before, within)
    _jobs(session, traces, within)
    for table, condition in BY_PROFILE:
        gone[table] += session.run(_delete(table, condition), by_profile(traces.profiles, condition))
    return Erased(
        rows={table: count for table, count in sorted(gone.items()) if count},
        proofs=[veiled(profile, pepper) for profile in traces.profiles],
    )


def _worded(names: Collection[str]) -> list[list[str]]:
    return [words for name in names if (words := words_in(name))]


def _with(traces: Traces, named: Identifier | None) -> Traces:
    """Take in the name by which the erasure was asked for: an address may stand in the ledger though nobody has it."""
    if named is None or named.kind == "id" or named.value in traces.names:
        return traces
    address = [named.value] if named.kind in ("email", "phone") else []
    return Traces(
        traces.profiles, [*traces.addresses, *address], sorted([*traces.names, named.value], key=len)[::-1]
    )


def _veil(session: Session, traces: Traces, pepper: bytes) -> None:
    veils: list[dict[str, Any]] = [
        {"plain": address, "name": veiled(address, pepper)} for address in traces.addresses
    ]
    if veils:
        session.run(_VEILS + _KEEP_NO, json(veils))
        session.run(_VEILS + _KEEP_SUPPRESSED, json(veils))


def _jobs(session: Session, traces: Traces, within: str) -> None:
    """Take people out of jobs: one that stands at them goes on from the id before, one that has them listed finds nobody."""
    for name, cursor, data in session.rows(_JOBS, texts(traces.profiles), within):
        kept = data
        for known in traces.names:
            kept = without(kept, known, NOBODY)
        session.run(_MOVED, just_before(cursor) if cursor in traces.profiles else cursor, kept, name)


def _delete(table: LiteralString, condition: LiteralString) -> LiteralString:
    return f"DELETE FROM {table} WHERE {condition}"  # noqa: S608 - names of our own
