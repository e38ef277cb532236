"""Whereabouts: every table that may hold something about a person, and how it is found there — for erasing, and for telling them.

A test reads the tables from the catalog: one that is neither here nor among those that hold nobody fails it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from engage.domain.ids import ProfileId
from engage.storage.postgres.session import Session, texts, uuids
from engage.storage.veil import PREFIX

_ADDRESSES = """
SELECT value FROM identifier WHERE profile_id = ANY(%s::uuid[]) AND kind IN ('email', 'phone')
UNION SELECT address FROM delivery WHERE profile_id = ANY(%s::uuid[]) AND address IS NOT NULL
UNION SELECT address FROM consent WHERE profile_id = ANY(%s::uuid[]) AND address IS NOT NULL
UNION SELECT traits ->> 'email' FROM profile WHERE id = ANY(%s::uuid[]) AND traits ->> 'email' IS NOT NULL
UNION SELECT traits ->> 'phone' FROM profile WHERE id = ANY(%s::uuid[]) AND traits ->> 'phone' IS NOT NULL
"""
_NAMES = "SELECT value FROM identifier WHERE profile_id = ANY(%s::uuid[])"
_MERGED = "SELECT lost::text FROM merged WHERE kept = ANY(%s::uuid[])"

BY_PROFILE: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("subscription", "scope = 'profile' AND owner = ANY(%s::text[])"),
    ("consent", "profile_id = ANY(%s::uuid[])"),
    (
        "receipt",
        "delivery_id IN (SELECT id FROM delivery WHERE delivery.profile_id = ANY(%s::uuid[]))",
    ),
    ("delivery", "profile_id = ANY(%s::uuid[])"),
    ("link", "profile_id = ANY(%s::uuid[])"),
    ("timer", "profile_id = ANY(%s::uuid[])"),
    ("run", "profile_id = ANY(%s::uuid[])"),
    ("decision", "profile_id = ANY(%s::uuid[])"),
    ("membership", "profile_id = ANY(%s::uuid[])"),
    ("fold", "profile_id = ANY(%s::uuid[])"),
    ("event", "profile_id = ANY(%s::uuid[])"),
    ("merged", "kept = ANY(%s::uuid[])"),
    ("identifier", "profile_id = ANY(%s::uuid[])"),
    ("profile", "id = ANY(%s::uuid[])"),
)
"""Rows of a person by the profile's id, in the order in which they may go: receipts are found by deliveries."""
BY_ADDRESS: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("subscription", "scope = 'address' AND owner = ANY(%s::text[])"),
    ("suppression", "address = ANY(%s::text[])"),
    ("consent", "address = ANY(%s::text[])"),
    ("listed", "address = ANY(%s::text[])"),
)
"""Rows of their addresses."""
BY_CONTENT: tuple[LiteralString, ...] = ("inbox", "quarantine")
"""Rows whose bytes nobody has read yet: they are a person's if one of the person's names stands in them."""
NOBODYS = frozenset(
    {
        "account",
        "alembic_version",
        "audit",
        "definition",
        "ended_session",
        "guess",
        "heard",
        "idempotency",
        "job",
        "project",
        "seen",
        "sender",
        "sender_call",
        "slowness",
        "token",
    }
)
"""Tables that hold nobody: their keys are digests or ours, and what an id of a profile may stand in is put right (`erasing`)."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What a person is known by, before the rows that say so are gone."""

    profiles: Sequence[ProfileId]
    addresses: Sequence[str]
    names: Sequence[str]
    """Identifiers, addresses and ids, longest first."""


def traces_of(session: Session, profiles: Sequence[ProfileId]) -> Traces:
    """Return what these people are known by."""
    ids = uuids(profiles)
    addresses = [
        address
        for (address,) in session.rows(_ADDRESSES, ids, ids, ids, ids, ids)
        if not address.startswith(PREFIX)
    ]
    names = {name for (name,) in session.rows(_NAMES, ids)} | {lost for (lost,) in session.rows(_MERGED, ids)}
    names |= {*addresses, *profiles}
    return Traces(list(profiles), addresses, sorted(names, key=lambda name: (-len(name), name)))


def by_profile(profiles: Sequence[ProfileId], condition: str) -> str:
    """Return the parameter of a condition of `BY_PROFILE`."""
    return texts(profiles) if "text[]" in condition else uuids(profiles)
