"""Merge in PostgreSQL: everything that lost profiles own becomes the kept ones'."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.storage.postgres.session import Session, json

# (lost, kept, lane): the lane is the kept profile's, also where this very turn creates it.
_PAIRS = """
WITH pair AS MATERIALIZED (
    SELECT lost, kept, coalesce(p.lane, (SELECT lane FROM profile WHERE id = kept)) AS lane
    FROM json_to_recordset(%s) AS p (lost uuid, kept uuid, lane smallint)
)
"""
_POINTERS = "UPDATE merged SET kept = pair.kept FROM pair WHERE merged.kept = pair.lost"
_POINT = "INSERT INTO merged (lost, kept) SELECT lost, kept FROM pair ON CONFLICT (lost) DO UPDATE SET kept = excluded.kept"
_PROFILES = "DELETE FROM profile USING pair WHERE id = pair.lost"
_IDENTIFIERS = "UPDATE identifier SET profile_id = pair.kept FROM pair WHERE profile_id = pair.lost"
_MEMBERSHIPS = """
, gone AS (
    DELETE FROM membership USING pair WHERE profile_id = pair.lost RETURNING pair.kept, audience, since
)
INSERT INTO membership (profile_id, audience, since)
SELECT kept, audience, min(since) FROM gone GROUP BY kept, audience
ON CONFLICT (profile_id, audience) DO UPDATE SET since = least(membership.since, excluded.since)
"""
_EVENTS = """
, gone AS (
    DELETE FROM event USING pair WHERE profile_id = pair.lost
    RETURNING pair.kept, id, timestamp, received_at, arrival, epoch, name, type, properties
)
INSERT INTO event (profile_id, id, timestamp, received_at, arrival, epoch, name, type, properties)
SELECT * FROM gone ON CONFLICT DO NOTHING
"""
# Whoever merges has united them, and writes what came of it.
_FOLDS = "DELETE FROM fold USING pair WHERE profile_id IN (pair.lost, pair.kept)"
_RUNS = """
UPDATE run SET profile_id = pair.kept, doc = jsonb_set(doc::jsonb, '{profile}', to_jsonb(pair.kept))::json
FROM pair WHERE profile_id = pair.lost
"""
_TIMERS = """
, gone AS (
    DELETE FROM timer USING pair WHERE profile_id = pair.lost
    RETURNING pair.kept, kind, ref, due_at, coalesce(pair.lane, timer.lane) AS lane
)
INSERT INTO timer (profile_id, kind, ref, due_at, lane)
SELECT kept, kind, ref, min(due_at), min(lane) FROM gone GROUP BY kept, kind, ref
ON CONFLICT (profile_id, kind, ref) DO UPDATE SET due_at = least(timer.due_at, excluded.due_at), lane = excluded.lane
"""
_RECEIPTS = """
UPDATE receipt SET profile_id = pair.kept FROM pair, delivery
WHERE delivery.profile_id = pair.lost AND receipt.delivery_id = delivery.id
"""
_DELIVERIES = """
UPDATE delivery SET
    profile_id = pair.kept,
    doc = (doc::jsonb
        || jsonb_build_object('profile', pair.kept, 'lane', coalesce(pair.lane, (doc ->> 'lane')::smallint)))::json
FROM pair WHERE profile_id = pair.lost
"""
_DECISIONS = "UPDATE decision SET profile_id = pair.kept FROM pair WHERE profile_id = pair.lost"
_LINKS = "UPDATE link SET profile_id = pair.kept FROM pair WHERE profile_id = pair.lost"
_CONSENTS = "UPDATE consent SET profile_id = pair.kept FROM pair WHERE profile_id = pair.lost"
# The stricter consent wins; of two equally strict the newer.
_SUBSCRIPTIONS = """
, gone AS (
    DELETE FROM subscription USING pair WHERE owner = pair.lost::text AND scope = 'profile'
    RETURNING pair.kept::text AS owner, scope, channel, topic, state, at, source
)
INSERT INTO subscription (owner, scope, channel, topic, state, at, source)
SELECT DISTINCT ON (owner, channel, topic) owner, scope, channel, topic, state, at, source FROM gone
ORDER BY owner, channel, topic, array_position(ARRAY['subscribed', 'pending', 'unsubscribed'], state) DESC, at DESC
ON CONFLICT (owner, scope, channel, topic) DO UPDATE
SET state = excluded.state, at = excluded.at, source = excluded.source
WHERE (array_position(ARRAY['subscribed', 'pending', 'unsubscribed'], excluded.state), excluded.at)
    > (array_position(ARRAY['subscribed', 'pending', 'unsubscribed'], subscription.state), subscription.at)
"""
_STATEMENTS: tuple[LiteralString, ...] = (
    _POINTERS,
    _POINT,
    _IDENTIFIERS,
    _MEMBERSHIPS,
    _EVENTS,
    _FOLDS,
    _RUNS,
    _TIMERS,
    _RECEIPTS,
    _DELIVERIES,
    _DECISIONS,
    _LINKS,
    _CONSENTS,
    _SUBSCRIPTIONS,
    _PROFILES,
)


def merge(
    session: Session,
    merges: Sequence[tuple[ProfileId, ProfileId]],
    profiles: Mapping[ProfileId, Profile],
) -> None:
    """Move everything of the lost profiles to the kept ones; chains of merges end at their last one."""
    ends: dict[ProfileId, ProfileId] = {}
    for lost, kept in merges:
        for earlier, end in ends.items():
            if end == lost:
                ends[earlier] = kept
        ends[lost] = kept
    pairs = [
        {"lost": lost, "kept": kept, "lane": profiles[kept].lane if kept in profiles else None}
        for lost, kept in ends.items()
    ]
    for statement in _STATEMENTS:
        session.run(_PAIRS + statement, json(pairs))
