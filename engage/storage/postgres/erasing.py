"""Erasing people from PostgreSQL: every table, but for the "no" of their addresses, which goes on veiled."""

from collections.abc import Collection
from typing import Any, LiteralString

from engage.domain.ids import ProfileId
from engage.storage.postgres.session import Session, json, texts, uuids
from engage.storage.veil import PREFIX, veiled

_ADDRESSES = """
SELECT value FROM identifier WHERE profile_id = ANY(%s::uuid[]) AND kind IN ('email', 'phone')
UNION SELECT address FROM delivery WHERE profile_id = ANY(%s::uuid[]) AND address IS NOT NULL
UNION SELECT address FROM consent WHERE profile_id = ANY(%s::uuid[]) AND address IS NOT NULL
UNION SELECT traits ->> 'email' FROM profile WHERE id = ANY(%s::uuid[]) AND traits ->> 'email' IS NOT NULL
UNION SELECT traits ->> 'phone' FROM profile WHERE id = ANY(%s::uuid[]) AND traits ->> 'phone' IS NOT NULL
"""
_VEILS = "WITH veil AS (SELECT plain, name FROM json_to_recordset(%s) AS (plain text, name text)) "
_KEEP_NO = """
INSERT INTO subscription (owner, scope, channel, topic, state, at, source)
SELECT name, 'address', channel, topic, state, at, 'erased' FROM subscription JOIN veil ON owner = plain
WHERE scope = 'address' AND state = 'unsubscribed'
ON CONFLICT (owner, scope, channel, topic) DO NOTHING
"""
_KEEP_SUPPRESSED = """
INSERT INTO suppression (address, channel, reason, at, source, lifted)
SELECT name, channel, reason, at, 'erased', false FROM suppression JOIN veil ON address = plain
WHERE NOT lifted
ON CONFLICT (address, channel) DO UPDATE SET lifted = false
"""
_BY_ADDRESS: tuple[LiteralString, ...] = (
    "DELETE FROM subscription WHERE scope = 'address' AND owner = ANY(%s::text[])",
    "DELETE FROM suppression WHERE address = ANY(%s::text[])",
    "DELETE FROM consent WHERE address = ANY(%s::text[])",
)
_BY_PROFILE: tuple[LiteralString, ...] = (
    "DELETE FROM subscription WHERE scope = 'profile' AND owner = ANY(%s::text[])",
    "DELETE FROM consent WHERE profile_id = ANY(%s::uuid[])",
    (
        "DELETE FROM receipt USING delivery WHERE receipt.delivery_id = delivery.id"
        " AND delivery.profile_id = ANY(%s::uuid[])"
    ),
    "DELETE FROM delivery WHERE profile_id = ANY(%s::uuid[])",
    "DELETE FROM link WHERE profile_id = ANY(%s::uuid[])",
    "DELETE FROM timer WHERE profile_id = ANY(%s::uuid[])",
    "DELETE FROM run WHERE profile_id = ANY(%s::uuid[])",
    "DELETE FROM decision WHERE profile_id = ANY(%s::uuid[])",
    "DELETE FROM membership WHERE profile_id = ANY(%s::uuid[])",
    "DELETE FROM event WHERE profile_id = ANY(%s::uuid[])",
    "DELETE FROM merged WHERE kept = ANY(%s::uuid[])",
    "DELETE FROM identifier WHERE profile_id = ANY(%s::uuid[])",
    "DELETE FROM profile WHERE id = ANY(%s::uuid[])",
)
# A quarantined fact is bytes that nobody could read: it goes if it holds one of the person's names.
_QUARANTINE = "DELETE FROM quarantine WHERE position(convert_to(%s, 'UTF8') IN payload) > 0"
_NAMES = "SELECT value FROM identifier WHERE profile_id = ANY(%s::uuid[]) AND length(value) > 4"


def erase(session: Session, profiles: Collection[ProfileId], pepper: bytes) -> int:
    """Erase locked people; return how many rows went."""
    if not profiles:
        return 0
    ids = uuids(profiles)
    names = [name for (name,) in session.rows(_NAMES, ids)]
    addresses = [
        address
        for (address,) in session.rows(_ADDRESSES, ids, ids, ids, ids, ids)
        if not address.startswith(PREFIX)
    ]
    veils: list[dict[str, Any]] = [
        {"plain": address, "name": veiled(address, pepper)} for address in addresses
    ]
    gone = 0
    if veils:
        session.run(_VEILS + _KEEP_NO, json(veils))
        session.run(_VEILS + _KEEP_SUPPRESSED, json(veils))
        gone += sum(session.run(statement, texts(addresses)) for statement in _BY_ADDRESS)
    gone += sum(session.run(_QUARANTINE, name) for name in names)
    return gone + sum(session.run(statement, ids) for statement in _BY_PROFILE)
