"""Webhooks of a scripted provider: receipts and replies of a scenario in the form channels parse theirs into."""

from datetime import datetime
from hashlib import blake2b

import msgspec

from engage.domain.delivery.delivery import Delivery, FailReason, Mark
from engage.domain.fact import Inbound, Receipt
from engage.ports.call_turns import ADDRESS, Chosen, Turn, on_answer, on_input, unpack
from engage.ports.channel import Heard, SignedRequest
from engage.project.scenario import InboundReply, ReceiptItem, ReceiptWord
from engage.testing.provider_words import PROVIDER_WORDS, ProviderWords, keyword
from engage.testing.scripted import PROVIDER

PATH = f"{PROVIDER}/anything"
NOTHING = Chosen(None, None)
_FAILURES = frozenset({Mark.FAILED, Mark.UNDELIVERED})


class ScriptedWebhook:
    """A webhook that says what it was given to say. Implements `ports.channel.Webhook`."""

    path = PATH

    def __init__(self) -> None:
        self.says = Heard()

    def verify(self, request: SignedRequest) -> bool:
        """Nobody forges a scenario."""
        del request
        return True

    def read(self, request: SignedRequest) -> Heard:
        """Return what was given."""
        del request
        return self.says


def request_at(at: datetime) -> SignedRequest:
    """Return the empty request in which a scripted webhook comes."""
    return SignedRequest(method="POST", url="", query={}, headers={}, body=b"", received_at=at)


def receipts_of(
    item: ReceiptItem, delivery: Delivery, *, chosen: Chosen, words: ProviderWords = PROVIDER_WORDS
) -> list[tuple[int, Receipt]]:
    """Return the receipts that a `receipt:` item is; `chosen`: what it chose in a call.

    Without an `id`, what is told makes the identity: equal receipts of one delivery are one.
    """
    mark = Mark(item.word)
    failed = mark in _FAILURES
    why = words.failure(item.code) if failed else None
    identity = item.receipt_id or _composite(item)
    first = Receipt(
        delivery=delivery.id,
        mark=mark,
        at=item.at,
        receipt_id=f"{delivery.id}/{identity}",
        provider=PROVIDER,
        provider_id=delivery.provider_id,
        code=item.code,
        reason=_reason(mark, None if why is None else why.reason),
        url=item.url,
        digits=item.digits,
        speech=item.speech,
        choice=chosen.key,
        answered_by=item.answered_by,
        duration=item.duration,
        machine=item.machine,
        hard=why.permanent if why is not None else item.hard,
        suppress=why.permanent if why is not None else mark is Mark.BOUNCED and item.hard,
        address=delivery.address,
    )
    says_no = chosen.turn is not None and chosen.turn.unsubscribe
    if not says_no and (why is None or not why.opted_out):
        return [(delivery.lane, first)]
    no = msgspec.structs.replace(
        first,
        mark=Mark.UNSUBSCRIBED,
        receipt_id=f"{first.receipt_id}:opt-out",
        suppress=False,
        reason=None,
    )
    return [(delivery.lane, first), (delivery.lane, no)]


def _reason(mark: Mark, table: str | None) -> str | None:
    return table if mark is not Mark.DROPPED else str(FailReason.PROVIDER_ERROR)


def _composite(item: ReceiptItem) -> str:
    told = (
        item.word,
        item.code,
        item.url,
        item.digits,
        item.speech,
        item.answered_by,
        item.duration,
        item.hard,
        item.machine,
    )
    return blake2b(repr(told).encode(), digest_size=12).hexdigest()


def inbound_of(item: InboundReply, address: str, to: str, message_id: str) -> Inbound:
    """Return what an `inbound:` item is when it reaches us."""
    return Inbound(
        message_id=message_id,
        channel=item.channel,
        sender=address,
        to=to,
        body=item.body,
        at=item.at,
        media=item.media,
        subject=item.subject,
        keyword=keyword(item.channel, item.body),
    )


class CallUnderWay:
    """A call as the one who is called hears it: which document is being said, and what a digit leads to."""

    def __init__(self, document: str) -> None:
        self._document = document

    def hear(self, item: ReceiptItem) -> Chosen:
        """Go on as the document says; return what was chosen by it."""
        if item.word is ReceiptWord.ANSWERED:
            turn = on_answer(self._next("answer"), item.answered_by or "human")
            self._go_on(turn)
            return NOTHING
        if item.word is not ReceiptWord.DIGITS:
            return NOTHING
        turns = self._next("gather") or self._behind_answer()
        chosen = on_input(turns, digits=item.digits or "", speech=item.speech or "")
        self._go_on(chosen.turn)
        return chosen

    def _behind_answer(self) -> dict[str, Turn]:
        """Digits without an `answered` before them: a person answered."""
        self._go_on(on_answer(self._next("answer"), "human"))
        return self._next("gather")

    def _go_on(self, turn: Turn | None) -> None:
        if turn is not None:
            self._document = turn.twiml

    def _next(self, kind: str) -> dict[str, Turn]:
        found = (address for address in ADDRESS.finditer(self._document) if address[1] == kind)
        return next((unpack(address[3]) for address in found if address[3]), {})
