"""Accept: calls of Segment's wire become durable facts, or quarantined items with a reason. One bad item never fails a batch."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, ConsentState, family
from engage.domain.fact import Call, Json, NewFact, encode
from engage.domain.project_settings import ProjectSettings
from engage.domain.turn.changes import Quarantined
from engage.engine.accept.intake import Piece, Taken, sorted_out
from engage.engine.canonical.call import Origin, Refused, Unfit, canonical, lane_for, read_item
from engage.engine.canonical.rules import Rules
from engage.engine.canonical.split import Envelope
from engage.engine.canonical.stored import keep_call, reopened, replay_id, told_again

MAX_BATCH_CONTEXT = 8 * 1024
"""Bytes of a batch's own `context` and `integrations`: they are repeated in every item, up to 2,500 times."""


class Acceptor:
    """Turns requests into what `Intake` stores. Thread-safe; reads no clock and no database."""

    def __init__(self, settings: Callable[[], ProjectSettings]) -> None:
        """`settings` returns the live project settings; it is asked once per request and must be cheap."""
        self._settings = settings
        first = settings()
        self._last = (first, Rules.of(first))

    def rules(self) -> Rules:
        """Return the rules that the live settings make."""
        settings = self._settings()
        known, rules = self._last
        if settings is not known:  # A new object per epoch of the definitions, the same one until then.
            rules = Rules.of(settings)
            self._last = (settings, rules)
        return rules

    def call(self, raw: bytes, item: Any | Refused, origin: Origin) -> Taken:
        """Take a single call: `item` is `read_item(raw)`, `origin.rules` are `rules()`."""
        found = _one(raw, item, origin, _mint)
        return Taken((found,)) if isinstance(found, Piece) else Taken((), (found,))

    def batch(self, envelope: Envelope, origin: Origin) -> Taken:
        """Take a batch apart into facts and quarantined items; `origin.rules` are `rules()`."""
        context, integrations = _outer(envelope.context), _outer(envelope.integrations)
        too_large = len(envelope.context) + len(envelope.integrations) > MAX_BATCH_CONTEXT
        origin = replace(
            origin,
            sent_at=envelope.sent_at,
            context=None if too_large else context,
            integrations=None if too_large else integrations,
        )
        if too_large:
            refused = Refused(reason=Unfit.TOO_LARGE, detail="the batch's own `context` has more than 8 KB")
            return Taken((), _each([_kept(raw, None, refused, origin) for raw in envelope.items]))
        taken = sorted_out(_one(raw, read_item(raw), origin, _mint) for raw in envelope.items)
        return Taken(taken.pieces, _each(taken.quarantined)) if taken.quarantined else taken

    def replay(self, kept: Sequence[Quarantined]) -> Taken:
        """Take quarantined things once more, as if they came when they came; what is still unfit stays out."""
        found: list[Piece | Quarantined] = []
        for item in kept:
            opened = reopened(item, self.rules())
            match opened:
                case NewFact():
                    found.append(Piece(fact=opened))
                case None:
                    found.append(item)
                case raw, origin:
                    found.append(_one(raw, read_item(raw), origin, partial(replay_id, item)))
        return sorted_out(found)


def _mint() -> str:
    return str(uuid4())


def _one(raw: bytes, item: Any | Refused, origin: Origin, mint: Callable[[], str]) -> Piece | Quarantined:
    call = item if isinstance(item, Refused) else canonical(item, origin, mint)
    if isinstance(call, Refused):
        return _kept(raw, item, call, origin)
    return Piece(fact=_fact(call, origin), consents=_noes(call, origin))


def _fact(call: Call, origin: Origin) -> NewFact:
    return NewFact(
        lane=lane_for(call.identifiers),
        source=origin.source,
        message_id=call.message_id,
        received_at=origin.received_at,
        payload=encode(call),
        live=not origin.imported,
    )


def _noes(call: Call, origin: Origin) -> tuple[ConsentEntry, ...]:
    """An unsubscribe is heard at once; a yes, and history, is digested in its turn. A public key says neither."""
    if not call.subscriptions or origin.browser or origin.imported:
        return ()
    return tuple(
        ConsentEntry(
            channel=family(wish.channel),
            topic=wish.topic or EVERY_TOPIC,
            state=ConsentState.UNSUBSCRIBED,
            at=call.timestamp,
            source=origin.source,
            address=wish.address,
            proof=call.message_id,
        )
        for wish in call.subscriptions
        if wish.state == ConsentState.UNSUBSCRIBED and wish.address is not None
    )


def _kept(raw: bytes, item: Any, refused: Refused, origin: Origin) -> Quarantined:
    return Quarantined(
        source=origin.source,
        reason=refused.reason,
        detail=refused.detail.replace("\x00", ""),
        payload=keep_call(raw, origin),
        received_at=origin.received_at,
        identity=_identity(raw, item, origin.source),
    )


def _identity(raw: bytes, item: Any, source: str) -> str | None:
    """Return what a call is known by when its client sends it again: its `messageId`, else its bytes with one in them.

    Calls without any are as many as were sent.
    """
    message_id = item.get("messageId") if isinstance(item, dict) else None
    if isinstance(message_id, str) and message_id:
        return told_again(source, message_id.encode("utf-8", "surrogatepass"))
    return told_again(source, raw) if b'"messageId"' in raw else None


def _each(kept: Sequence[Quarantined]) -> list[Quarantined]:
    """Tell items of one request that have the same identity apart: a repetition there is no request sent again."""
    times: Counter[str] = Counter()
    found = []
    for item in kept:
        if item.identity is not None:
            times[item.identity] += 1
            if times[item.identity] > 1:
                item = msgspec.structs.replace(item, identity=f"{item.identity}#{times[item.identity]}")
        found.append(item)
    return found


def _outer(raw: bytes) -> Json | None:
    """Read a batch's own `context`; one that cannot be kept is as if absent, for it must not fail the items."""
    value = read_item(raw)
    return value if isinstance(value, dict) else None
