"""How quarantined things are kept: one line that says how they came, then the bytes as they were, so that they can be replayed."""

from datetime import datetime
from hashlib import blake2b
from uuid import NAMESPACE_OID, uuid5

import msgspec

from engage.domain.fact import Json, Kind, NewFact
from engage.domain.turn.changes import Quarantined
from engage.engine.canonical.call import Origin
from engage.engine.canonical.rules import Rules


class _Came(msgspec.Struct, frozen=True, tag_field="kept", tag="call", omit_defaults=True, kw_only=True):
    kind: Kind | None = None
    sent_at: str | None = None
    context: Json | None = None
    integrations: Json | None = None
    browser: bool = False
    imported: bool = False


class _Fact(msgspec.Struct, frozen=True, tag_field="kept", tag="fact", omit_defaults=True, kw_only=True):
    lane: int
    message_id: str
    received_at: datetime
    live: bool = True


class _Webhook(
    msgspec.Struct, frozen=True, tag_field="kept", tag="webhook", omit_defaults=True, kw_only=True
):
    path: str


_lines: msgspec.json.Decoder[_Came | _Fact | _Webhook] = msgspec.json.Decoder(_Came | _Fact | _Webhook)
_encoder = msgspec.json.Encoder(decimal_format="number")


def keep_call(raw: bytes, origin: Origin) -> bytes:
    """Return the kept form of a call that could not be taken."""
    sent_at = origin.sent_at
    came = _Came(
        kind=origin.kind,
        sent_at=sent_at if isinstance(sent_at, str) or sent_at is None else str(sent_at),
        context=origin.context,
        integrations=origin.integrations,
        browser=origin.browser,
        imported=origin.imported,
    )
    return _encoder.encode(came) + b"\n" + raw


def keep_fact(fact: NewFact) -> bytes:
    """Return the kept form of a fact that the database refused."""
    kept = _Fact(lane=fact.lane, message_id=fact.message_id, received_at=fact.received_at, live=fact.live)
    return _encoder.encode(kept) + b"\n" + fact.payload


def keep_webhook(raw: bytes, path: str) -> bytes:
    """Return the kept form of a part of a webhook that says nothing we understand."""
    return _encoder.encode(_Webhook(path=path)) + b"\n" + raw


def as_sent(kept: Quarantined) -> bytes:
    """Return the bytes as they came in, for people to look at."""
    line, found, raw = kept.payload.partition(b"\n")
    return raw if found else line


def reopened(kept: Quarantined, rules: Rules) -> tuple[bytes, Origin] | NewFact | None:
    """Return what a quarantined thing was: a call with its origin, or a fact; None for what cannot be replayed.

    What digest itself put aside has no such line: it is a fact, and goes back to its lane under a new identity (its
    own was seen).
    """
    line, _, raw = kept.payload.partition(b"\n")
    try:
        came = _lines.decode(line)
    except msgspec.DecodeError:
        return _undigested(kept)
    if isinstance(came, _Webhook):
        return None
    if isinstance(came, _Fact):
        return NewFact(
            lane=came.lane,
            source=kept.source,
            message_id=came.message_id,
            received_at=came.received_at,
            payload=raw,
            live=came.live,
        )
    origin = Origin(
        source=kept.source,
        received_at=kept.received_at,
        kind=came.kind,
        sent_at=came.sent_at,
        context=came.context,
        integrations=came.integrations,
        browser=came.browser,
        imported=came.imported,
        rules=rules,
    )
    return raw, origin


def _undigested(kept: Quarantined) -> NewFact | None:
    if kept.lane is None:
        return None
    return NewFact(
        lane=kept.lane,
        source="replay",
        message_id=replay_id(kept),
        received_at=kept.received_at,
        payload=kept.payload,
    )


def told_again(source: str, what: bytes) -> str:
    """Return the identity by which quarantine knows a thing that is told twice: a digest, for it outlives an erasure."""
    return blake2b(source.encode() + b"\n" + what, digest_size=16).hexdigest()


def replay_id(kept: Quarantined) -> str:
    """Return the `messageId` of a replayed call without one: the same at every replay, so that it is taken once."""
    return str(uuid5(NAMESPACE_OID, f"{kept.source}\n{kept.received_at.isoformat()}\n{kept.payload.hex()}"))
