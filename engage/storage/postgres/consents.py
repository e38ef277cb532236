"""Consent and suppression in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, structs

from engage.domain.consent.consent import ConsentEntry, Consents, ConsentState, SuppressionEntry, family
from engage.domain.ids import ProfileId
from engage.storage.postgres.session import Session, json, texts
from engage.storage.veil import veiled

_LEDGER = """
INSERT INTO consent (profile_id, address, channel, topic, state, at, source, proof)
SELECT profile, address, channel, topic, state, at, source, proof FROM json_to_recordset(%s) AS (
    profile uuid, address text, channel text, topic text, state text, at timestamptz, source text, proof text
)
"""
_MOVE = """
INSERT INTO subscription (owner, scope, channel, topic, state, at, source)
SELECT owner, scope, channel, topic, state, at, source FROM json_to_recordset(%s) AS (
    owner text, scope text, channel text, topic text, state text, at timestamptz, source text
) ORDER BY owner, scope, channel, topic
ON CONFLICT (owner, scope, channel, topic) DO UPDATE
SET state = excluded.state, at = excluded.at, source = excluded.source WHERE excluded.at >= subscription.at
"""
_SUPPRESS = """
INSERT INTO suppression (address, channel, reason, at, source, lifted)
SELECT address, channel, reason, at, source, lifted FROM json_to_recordset(%s) AS (
    address text, channel text, reason text, at timestamptz, source text, lifted boolean
) ORDER BY address, channel
ON CONFLICT (address, channel) DO UPDATE
SET reason = excluded.reason, at = excluded.at, source = excluded.source, lifted = excluded.lifted
WHERE excluded.at >= suppression.at
"""
_SUBSCRIPTIONS = "SELECT owner, scope, channel, topic, state FROM subscription WHERE owner = ANY(%s::text[])"
_SUPPRESSED = "SELECT channel, address, reason, lifted FROM suppression WHERE address = ANY(%s::text[])"


class _Subscription(Struct):
    owner: str
    scope: str
    channel: str
    topic: str
    state: ConsentState
    at: datetime
    source: str


class PostgresConsents:
    """Consent and suppression."""

    def __init__(self, session: Session, pepper: bytes = b"") -> None:
        """Work inside a transaction; `pepper` keys what is left of erased addresses."""
        self._session, self._pepper = session, pepper

    def view(
        self, profiles: Collection[ProfileId], addresses: Mapping[ProfileId, Collection[tuple[str, str]]]
    ) -> dict[ProfileId, Consents]:
        """Return the present view for people and their (channel, address) pairs, each profile its own."""
        found = {profile: Consents() for profile in profiles}
        if not found:
            return found
        pairs = {
            profile: {(family(channel), address) for channel, address in addresses.get(profile, ())}
            for profile in found
        }
        places = {address for wanted in pairs.values() for _, address in wanted}
        names = {address: veiled(address, self._pepper) for address in places}
        by_owner: dict[tuple[str, str], list[tuple[str, str, ConsentState]]] = {}
        for owner, scope, channel, topic, state in self._session.rows(
            _SUBSCRIPTIONS, texts([*found, *places, *names.values()])
        ):
            by_owner.setdefault((scope, owner), []).append((channel, topic, ConsentState(state)))
        suppressed = self._suppressed(names)
        for profile, consents in found.items():
            for channel, topic, state in by_owner.get(("profile", profile), ()):
                consents.by_profile[channel, topic] = state
            for kind, address in pairs[profile]:
                # What is left of an erased address comes first: a later line of the address itself outweighs it.
                left = by_owner.get(("address", names[address]), ())
                for channel, topic, state in (*left, *by_owner.get(("address", address), ())):
                    if channel == kind:
                        consents.by_address[channel, address, topic] = state
                if (kind, address) in suppressed:
                    consents.suppressed[kind, address] = suppressed[kind, address]
        return found

    def _suppressed(self, names: Mapping[str, str]) -> dict[tuple[str, str], str]:
        """Return the suppressions of addresses, given each with the name it has once it is erased."""
        if not names:
            return {}
        plain = {name: address for address, name in names.items()}
        rows = self._session.rows(_SUPPRESSED, texts([*names, *plain]))
        lines = {(channel, address): (reason, lifted) for channel, address, reason, lifted in rows}
        found: dict[tuple[str, str], str] = {}
        for (channel, address), (reason, lifted) in lines.items():
            place = plain.get(address, address)
            own = lines.get((channel, place))
            if not lifted and (own is None or own is lines[channel, address]):
                found[channel, place] = reason
        return found

    def veiled(self, address: str) -> str:
        """Return the name under which an erased address goes on."""
        return veiled(address, self._pepper)

    def append(self, entries: Sequence[ConsentEntry], suppressions: Sequence[SuppressionEntry] = ()) -> None:
        """Append to the ledger and move the present view along; a line older than the view changes nothing there."""
        if entries:
            self._session.run(_LEDGER, json(entries))
            newest: dict[Any, _Subscription] = {}
            for entry in entries:
                for moved in _subscriptions(entry):
                    _keep_newest(newest, (moved.owner, moved.scope, moved.channel, moved.topic), moved)
            self._session.run(_MOVE, json(newest.values()))
        if suppressions:
            last: dict[Any, SuppressionEntry] = {}
            for suppression in suppressions:
                kind = family(suppression.channel)
                _keep_newest(last, (kind, suppression.address), structs.replace(suppression, channel=kind))
            self._session.run(_SUPPRESS, json(last.values()))


def _keep_newest(kept: dict[Any, Any], key: Any, entry: Any) -> None:
    # One statement may touch a row only once.
    if key not in kept or entry.at >= kept[key].at:
        kept[key] = entry


def _subscriptions(entry: ConsentEntry) -> list[_Subscription]:
    owners = [("address", entry.address), ("profile", entry.profile)]
    return [
        _Subscription(owner, scope, family(entry.channel), entry.topic, entry.state, entry.at, entry.source)
        for scope, owner in owners
        if owner is not None
    ]
