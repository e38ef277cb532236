"""Receive: a provider's webhook becomes durable facts; a no is in the ledger before the provider gets its 2xx."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, ConsentState, family, ledger_key
from engage.domain.consent.written_no import first_line, is_no
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.fact import Fact, Inbound, NewFact, Receipt, encode
from engage.domain.ids import lane_of
from engage.domain.law import NO_LAW, Law
from engage.domain.turn.changes import Quarantined
from engage.engine import strays
from engage.engine.accept.intake import IfStopped, Piece, SaidNo, Taken
from engage.engine.canonical.address import normal_address
from engage.engine.canonical.stored import keep_webhook
from engage.ports.channel import Adrift, Heard, SignedRequest, Webhook
from engage.ports.storage import Transaction

STOP, START = "stop", "start"
AFTER_A_STOP = frozenset({"YES"})
"""Words that mean START to somebody who said STOP, and are a plain answer of everybody else (vocabulary.md, "SMS keywords")."""
LATEST_RECEIPT = timedelta(days=30)
"""How old the delivery may be that a receipt without our reference is about."""
OPTED_OUT_CODES = frozenset({"21610"})
"""The provider's word for "this person said STOP to us" (vocabulary.md, "SMS keywords")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What a good webhook brought, and the document the provider is to get once that is durable."""

    taken: Taken
    twiml: str | None = None


class Receiver:
    """Verifies webhooks and says what they bring. Pure: storing is the intake's. Thread-safe."""

    def __init__(
        self,
        webhooks: Iterable[Webhook],
        region: str = "US",
        law_of: Callable[[], Law] = lambda: NO_LAW,
    ) -> None:
        """`law_of` gives the live law: its packs know opt-out words beyond the carriers' keywords."""
        self._webhooks: Mapping[str, Webhook] = {webhook.path: webhook for webhook in webhooks}
        self._region, self._law_of = region, law_of

    @property
    def paths(self) -> frozenset[str]:
        """The paths below `/webhooks/` that we answer."""
        return frozenset(self._webhooks)

    def receive(self, path: str, request: SignedRequest) -> Received | None:
        """Return what the request brings; None if its signature is not good, and then nothing of it is kept.

        Raises:
            KeyError: `path` is not one of `paths`.
        """
        webhook = self._webhooks[path]
        if not webhook.verify(request):
            return None
        heard = webhook.read(request)
        return Received(taken=self._taken(path, heard, request.received_at), twiml=heard.twiml)

    def _taken(self, path: str, heard: Heard, received_at: datetime) -> Taken:
        source = path.partition("/")[0]
        pieces = [receipt_piece(lane, receipt, received_at) for lane, receipt in heard.receipts]
        pieces += [self._inbound(source, inbound, received_at) for inbound in heard.inbound]
        quarantined = [
            _quarantined(source, reason, path, raw, received_at) for reason, raw in heard.quarantined
        ]
        unplaced = [
            _Unplaced(one, received_at, _quarantined(source, "no_reference", path, one.raw, received_at))
            for one in heard.adrift
        ]
        return Taken(pieces, quarantined, unplaced)

    def _is_no(self, inbound: Inbound) -> bool:
        channel = Channel(family(inbound.channel))
        if channel is Channel.EMAIL and is_no(inbound.subject, inbound.body):
            return True
        text = first_line(inbound.body) if channel is Channel.EMAIL else inbound.body
        return self._law_of().is_stop(channel, text)

    def _inbound(self, source: str, inbound: Inbound, received_at: datetime) -> Piece:
        sender = normal_address(inbound.channel, inbound.sender, self._region) or inbound.sender
        is_text = family(inbound.channel) == Channel.SMS
        keyword = STOP if inbound.keyword is None and self._is_no(inbound) else inbound.keyword
        inbound = msgspec.structs.replace(inbound, sender=sender, keyword=keyword)
        plain = _heard(source, inbound, received_at)
        if keyword is not None or not is_text:
            return plain
        if inbound.body.strip().upper() not in AFTER_A_STOP:
            return plain
        instead = _heard(source, msgspec.structs.replace(inbound, keyword=START), received_at)
        return replace(plain, if_stopped=IfStopped(channel=inbound.channel, address=sender, piece=instead))


@dataclass(frozen=True, slots=True)
class _Unplaced:
    """Receipts that came without our reference: the delivery is the one with that id, at that address where one is told."""

    adrift: Adrift
    received_at: datetime
    otherwise: Quarantined

    def placed(self, tx: Transaction) -> Taken:
        """Return the receipts as pieces, or the event as one for quarantine; what may yet prove ours is left for later."""
        found = self._candidates(tx)
        if found:
            delivery = max(found, key=lambda one: len(one.provider_id or ""))
            return Taken(placed_pieces(delivery, self.adrift.receipts, self.received_at))
        if not self.adrift.shared:
            return Taken((), (self.otherwise,))
        if tx.deliveries.on_the_way(self.adrift.channel):
            strays.leave(tx, self.adrift, self.received_at)
        return Taken()

    def _candidates(self, tx: Transaction) -> list[Delivery]:
        if self.adrift.address is None:
            return tx.deliveries.chats(self.adrift.provider_ids)
        key = (self.adrift.channel, ledger_key(self.adrift.address))
        sent = tx.deliveries.recent_to({key}, self.received_at - LATEST_RECEIPT)[key]
        return [delivery for delivery in sent if delivery.provider_id in self.adrift.provider_ids]


def placed_pieces(delivery: Delivery, receipts: Sequence[Receipt], received_at: datetime) -> list[Piece]:
    """Return receipts that said nothing of ours, now that their delivery is known."""
    named = [msgspec.structs.replace(one, delivery=delivery.id) for one in receipts]
    return [receipt_piece(delivery.lane, one, received_at) for one in named]


def _quarantined(source: str, reason: str, path: str, raw: bytes, received_at: datetime) -> Quarantined:
    return Quarantined(
        source=source,
        reason=reason,
        detail=path,
        payload=keep_webhook(raw, path),
        received_at=received_at,
    )


def _heard(source: str, inbound: Inbound, received_at: datetime) -> Piece:
    return Piece(
        fact=_fact(source, inbound.message_id, lane_of(inbound.sender), inbound, received_at),
        consents=_by_keyword(source, inbound),
    )


def _by_keyword(source: str, inbound: Inbound) -> tuple[ConsentEntry, ...]:
    """STOP closes the whole channel to this address; START opens it again, as far as STOP had closed it."""
    if inbound.keyword not in (STOP, START):
        return ()
    state = ConsentState.UNSUBSCRIBED if inbound.keyword == STOP else ConsentState.SUBSCRIBED
    return (
        ConsentEntry(
            channel=family(inbound.channel),
            topic=EVERY_TOPIC,
            state=state,
            at=inbound.at,
            source=f"{source}:{inbound.keyword}",
            address=inbound.sender,
            proof=inbound.message_id,
        ),
    )


def receipt_piece(lane: int, receipt: Receipt, received_at: datetime) -> Piece:
    """Return what a receipt is on its way in: a fact that is told once, and what the ledger hears with it."""
    return Piece(
        fact=_fact(receipt.provider, receipt.receipt_id, lane, receipt, received_at), no=_no_in(receipt)
    )


def _no_in(receipt: Receipt) -> SaidNo | None:
    """What the ledger must hear at once; the rule is digest's own, so that both write the same."""
    bounced = receipt.mark == Mark.BOUNCED and receipt.hard
    suppress = receipt.suppress or bounced or receipt.mark == Mark.COMPLAINED
    stopped = receipt.code in OPTED_OUT_CODES
    if not (suppress or stopped or receipt.mark == Mark.UNSUBSCRIBED):
        return None
    return SaidNo(
        delivery=receipt.delivery,
        at=receipt.at,
        source=receipt.provider,
        address=receipt.address,
        suppress=receipt.mark if suppress else None,
        whole_channel=stopped or receipt.whole_channel,
    )


def _fact(source: str, message_id: str, lane: int, fact: Fact, received_at: datetime) -> NewFact:
    return NewFact(
        lane=lane, source=source, message_id=message_id, received_at=received_at, payload=encode(fact)
    )
