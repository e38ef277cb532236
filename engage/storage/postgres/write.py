"""Write in PostgreSQL: everything one turn decided, one statement per kind of row."""

from collections.abc import Iterable, Mapping
from typing import LiteralString

from engage.domain.errors import IdentityRaceError
from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.domain.journey.run import Run
from engage.domain.turn.changes import Changes, MembershipChange, Origin, Timer
from engage.storage.calling import heard_of
from engage.storage.postgres.consents import PostgresConsents
from engage.storage.postgres.deliveries import PostgresDeliveries
from engage.storage.postgres.inbox import PostgresInbox
from engage.storage.postgres.merge import merge
from engage.storage.postgres.senders import PostgresSenders
from engage.storage.postgres.session import Session, json, texts

# A turn that also creates this profile is waited for and then lost to: what it wrote must not be written over.
_NEW_PROFILES = """
INSERT INTO profile (id, lane, created_at, bucket_key, merges, traits, trait_times, told_again)
SELECT id, lane, created_at, bucket_key, merges, traits, trait_times, told_again FROM json_to_recordset(%s) AS (
    id uuid, lane smallint, created_at timestamptz, bucket_key text, merges integer, traits jsonb, trait_times json,
    told_again json
)
ORDER BY id
ON CONFLICT (id) DO NOTHING
"""
_PROFILES = """
INSERT INTO profile (id, lane, created_at, bucket_key, merges, traits, trait_times, told_again)
SELECT id, lane, created_at, bucket_key, merges, traits, trait_times, told_again FROM json_to_recordset(%s) AS (
    id uuid, lane smallint, created_at timestamptz, bucket_key text, merges integer, traits jsonb, trait_times json,
    told_again json
)
ON CONFLICT (id) DO UPDATE SET
    lane = excluded.lane, created_at = excluded.created_at, bucket_key = excluded.bucket_key,
    merges = excluded.merges, traits = excluded.traits, trait_times = excluded.trait_times,
    told_again = excluded.told_again
"""
# Numbered in the order of the list, inserted in the order of the key: two transactions wait for each other in one direction.
_IDENTIFIERS = """
INSERT INTO identifier (value, kind, profile_id, seq, since, message_id)
SELECT value, kind, profile, seq, since, message_id FROM (
    SELECT value, kind, profile, nextval('identifier_seq') AS seq, since, message_id
    FROM json_to_recordset(%s) AS (value text, kind text, profile uuid, since timestamptz, message_id text)
) AS numbered
ORDER BY value COLLATE "C", kind COLLATE "C"
ON CONFLICT (value, kind) DO NOTHING
"""
_OWNERS = "SELECT kind, value, profile_id FROM identifier WHERE value = ANY(%s::text[])"
_EVENTS = """
INSERT INTO event (profile_id, id, timestamp, received_at, arrival, epoch, name, type, properties)
SELECT profile, id, timestamp, received_at, arrival, epoch, name, type, properties FROM json_to_recordset(%s) AS (
    profile uuid, id text, timestamp timestamptz, received_at timestamptz, arrival bigint, epoch bigint, name text,
    type text, properties jsonb
)
ON CONFLICT DO NOTHING
"""
_FOLDS = """
INSERT INTO fold (profile_id, key, upto, state)
SELECT profile, key, upto, state FROM json_to_recordset(%s) AS (profile uuid, key text, upto timestamptz, state jsonb)
ON CONFLICT (profile_id, key) DO UPDATE SET upto = excluded.upto, state = excluded.state
"""
_UNFOLD = """
DELETE FROM fold WHERE (profile_id, key) IN (SELECT profile, key FROM json_to_recordset(%s) AS (profile uuid, key text))
"""
_LEAVE = """
DELETE FROM membership WHERE (profile_id, audience) IN (
    SELECT profile, audience FROM json_to_recordset(%s) AS (profile uuid, audience text)
)
"""
_ENTER = """
INSERT INTO membership (profile_id, audience, since)
SELECT profile, audience, at FROM json_to_recordset(%s) AS (profile uuid, audience text, at timestamptz)
ON CONFLICT DO NOTHING
"""
_RUNS = """
INSERT INTO run (
    id, profile_id, version, entered_at, ended_at, goal_until, goal_at, journey, key, step, reason, doc
)
SELECT
    id, profile, version, entered_at, ended_at, CASE WHEN goal_at IS NULL THEN goal_until END, goal_at, journey,
    coalesce(key, ''), step, reason, doc
FROM json_array_elements(%s) AS doc, json_to_record(doc) AS r (
    id uuid, profile uuid, version integer, entered_at timestamptz, ended_at timestamptz, goal_until timestamptz,
    goal_at timestamptz, journey text, key text, step text, reason text
)
ON CONFLICT (id) DO UPDATE SET
    profile_id = excluded.profile_id, version = excluded.version, entered_at = excluded.entered_at,
    ended_at = excluded.ended_at, goal_until = excluded.goal_until, goal_at = excluded.goal_at,
    journey = excluded.journey, key = excluded.key, step = excluded.step, reason = excluded.reason, doc = excluded.doc
"""
_SET_TIMERS = """
INSERT INTO timer (profile_id, kind, ref, due_at, lane)
SELECT profile, kind, ref, due_at, lane FROM json_to_recordset(%s)
AS (profile uuid, kind text, ref text, due_at timestamptz, lane smallint)
ON CONFLICT (profile_id, kind, ref) DO UPDATE SET due_at = excluded.due_at, lane = excluded.lane
WHERE (timer.due_at, timer.lane) IS DISTINCT FROM (excluded.due_at, excluded.lane)
"""
_CLEAR_TIMERS = """
DELETE FROM timer WHERE (profile_id, kind, ref) IN (
    SELECT profile, kind, ref FROM json_to_recordset(%s) AS (profile uuid, kind text, ref text)
)
"""
_RECEIPTS = """
INSERT INTO receipt (delivery_id, receipt_id, profile_id, at, mark, provider, code, data)
SELECT delivery, receipt_id, profile, at, mark, provider, code, data FROM json_to_recordset(%s) AS (
    delivery uuid, receipt_id text, profile uuid, at timestamptz, mark text, provider text, code text, data json
)
ON CONFLICT DO NOTHING
"""
# Nothing is locked for it: two turns may both append, and whoever asks looks for any.
_HEARD = """
INSERT INTO heard (channel, called_at)
SELECT channel, called_at FROM json_to_recordset(%s) AS h (channel text, called_at timestamptz)
WHERE coalesce((SELECT max(called_at) FROM heard WHERE heard.channel = h.channel), '-infinity') < h.called_at
"""
_DECISIONS = """
INSERT INTO decision (profile_id, at, run_id, delivery_id, kind, outcome, journey, step, reason, rule, "values")
SELECT profile, at, run, delivery, kind, outcome, journey, step, reason, rule, coalesce("values", '{}')
FROM json_to_recordset(%s) AS (
    profile uuid, at timestamptz, run uuid, delivery uuid, kind text, outcome text, journey text, step text,
    reason text, rule text, "values" json
)
"""


def write(session: Session, changes: Changes) -> None:
    """Write everything, ended runs and merges first.

    Raises:
        IdentityRaceError: an identifier belongs to another profile, a new profile is there already, or a run of that
            key is active.
    """
    active: list[Run] = []
    ended: list[Run] = []
    for run in changes.runs.values():
        (active if run.active else ended).append(run)
    _bulk(session, _RUNS, ended)
    if changes.merges:
        merge(session, changes.merges, changes.profiles)
    _profiles(session, changes)
    if changes.identifiers:
        _identify(session, changes.identifiers, changes.origins)
    _bulk(session, _EVENTS, changes.events)
    if changes.folds:
        _bulk(session, _FOLDS, [fold for fold in changes.folds if fold.state is not None])
        _bulk(session, _UNFOLD, [fold for fold in changes.folds if fold.state is None])
    left, entered = _net(changes.memberships)
    _bulk(session, _LEAVE, left)
    _bulk(session, _ENTER, entered)
    _bulk(session, _RUNS, active)
    _set_timers(session, changes.timers.values())
    PostgresDeliveries(session).save(changes.deliveries.values())
    _bulk(session, _RECEIPTS, changes.receipts)
    _bulk(
        session, _HEARD, [{"channel": channel, "called_at": called} for channel, called in heard_of(changes)]
    )
    _bulk(session, _DECISIONS, changes.decisions)
    PostgresConsents(session).append(changes.consents, changes.suppressions)
    PostgresInbox(session).quarantine(changes.quarantined)
    if changes.slowed:
        PostgresSenders(session).slow_down(changes.slowed)


def _bulk(session: Session, query: LiteralString, rows: Iterable[object]) -> int:
    rows = list(rows)
    return session.run(query, json(rows)) if rows else 0


def _profiles(session: Session, changes: Changes) -> None:
    new = [profile for key, profile in changes.profiles.items() if key in changes.created]
    if _bulk(session, _NEW_PROFILES, new) != len(new):
        raise IdentityRaceError("another turn created this profile")
    if len(new) < len(changes.profiles):
        known = [profile for key, profile in changes.profiles.items() if key not in changes.created]
        _bulk(session, _PROFILES, known)


def _identify(
    session: Session, wanted: list[tuple[Identifier, ProfileId]], origins: Mapping[Identifier, Origin]
) -> None:
    rows = [_named(name, owner, origins.get(name)) for name, owner in wanted]
    if session.run(_IDENTIFIERS, json(rows)) == len(rows):
        return
    found = session.rows(_OWNERS, texts(name.value for name, _ in wanted))
    owners = {Identifier(kind, value): owner for kind, value, owner in found}
    for name, owner in wanted:
        if owners[name] != owner:
            raise IdentityRaceError(f"another profile has this {name.kind}")


def _named(name: Identifier, owner: ProfileId, origin: Origin | None) -> dict[str, object]:
    row: dict[str, object] = {"value": name.value, "kind": name.kind, "profile": owner}
    return row if origin is None else {**row, "since": origin.at, "message_id": origin.message_id}


def _net(changes: list[MembershipChange]) -> tuple[list[MembershipChange], list[MembershipChange]]:
    """Return what must go and what must come, where a person left and entered in one turn."""
    left: dict[tuple[ProfileId, str], MembershipChange] = {}
    entered: dict[tuple[ProfileId, str], MembershipChange] = {}
    for change in changes:
        key = (change.profile, change.audience)
        if change.member:
            entered.setdefault(key, change)
        else:
            left[key] = change
            entered.pop(key, None)
    return list(left.values()), list(entered.values())


def _set_timers(session: Session, timers: Iterable[Timer]) -> None:
    kept: list[Timer] = []
    cleared: list[Timer] = []
    for timer in timers:
        (cleared if timer.due_at is None else kept).append(timer)
    _bulk(session, _CLEAR_TIMERS, cleared)
    _bulk(session, _SET_TIMERS, kept)
