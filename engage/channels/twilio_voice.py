"""Calls through Twilio's Voice API, both directions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Any

from twilio.base.values import unset
from twilio.rest import Client

from engage.channels.twilio_call_documents import MAX_TWIML, CallDocuments
from engage.channels.twilio_callbacks import (
    Reference,
    TwilioSignature,
    TwilioWebhook,
    callback_url,
    reference,
)
from engage.channels.twilio_errors import failure
from engage.channels.twilio_sms import GONE, PROVIDER, attempt, find, look, not_later
from engage.channels.twilio_transport import KeptHttpClient
from engage.domain.delivery.delivery import FailReason, Mark
from engage.domain.fact import Receipt
from engage.domain.ids import DeliveryId
from engage.ports.call_turns import HANG_UP, Chosen, Turn, answer_address, on_answer, on_input
from engage.ports.channel import (
    Answer,
    CannotSay,
    Heard,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    Sent,
    SignedRequest,
    Taken,
    VoiceContent,
)

_EVENTS = ["initiated", "ringing", "answered", "completed"]
_MACHINE = {"detect": "Enable", "voicemail": "DetectMessageEnd"}
STATUSES = {
    "queued": Mark.ACCEPTED,
    "initiated": Mark.SENT,
    "ringing": Mark.SENT,
    "in-progress": Mark.ANSWERED,
    "answered": Mark.ANSWERED,
    "completed": Mark.COMPLETED,
    "busy": Mark.BUSY,
    "no-answer": Mark.NO_ANSWER,
    "failed": Mark.FAILED,
    "canceled": Mark.CANCELED,
}
_OVER = frozenset({Mark.COMPLETED, Mark.BUSY, Mark.NO_ANSWER, Mark.FAILED, Mark.CANCELED})
_DIALLED = {"completed": "answered", "no-answer": "no_answer"}
"""Twilio's words for what became of a dialled number, where ours differ."""
_DETECTED = "&amd=1"
"""Marks the progress of calls in which somebody else tells us who answered."""


class TwilioVoice:
    """Starts calls. One call a delivery; the SDK's client over kept connections."""

    provider = PROVIDER

    def __init__(
        self,
        client: Client,
        http: KeptHttpClient,
        public_url: str,
        documents: CallDocuments,
        sender: str | None,
    ) -> None:
        self._calls = client.calls  # loaded now, as in `TwilioSms`
        self._http = http
        self._public_url = public_url
        self._documents = documents
        self._sender = sender

    def send(self, outbound: Outbound) -> Answer:
        """Create one call and say what became of it."""
        content = outbound.content
        sender = outbound.sender or self._sender
        if not isinstance(content, VoiceContent) or sender is None:
            return Rejected(reason=FailReason.CONFIG, code="no_sender", detail="no number to call from")
        url, twiml = self._document(outbound, content)
        if max(len(twiml), len(url or "")) > MAX_TWIML:
            detail = f"the call's document or address has more than {MAX_TWIML} characters"
            return Rejected(reason=FailReason.CONTENT, code="too_long", detail=detail)
        # Where nothing in the call depends on it the call need not wait for the machine detection.
        in_background = content.machine == "detect" and not depends_on_who_answers(content)

        def callback(path: str, more: str = "") -> str:
            return callback_url(self._public_url, path, outbound.delivery, outbound.lane, more)

        def create() -> Any:
            return self._calls.create(
                to=outbound.to,
                from_=sender,
                url=url or unset,
                twiml=twiml or unset,
                timeout=unset if content.ring_seconds is None else content.ring_seconds,
                status_callback=callback("twilio/call-status", "" if content.machine == "off" else _DETECTED),
                status_callback_event=_EVENTS,
                machine_detection=_MACHINE.get(content.machine, unset),
                async_amd="true" if in_background else unset,
                async_amd_status_callback=callback("twilio/amd") if in_background else unset,
            )

        return attempt(create, self._http)

    def _document(self, outbound: Outbound, content: VoiceContent) -> tuple[str | None, str]:
        """Return the address Twilio fetches the document from, else the document itself.

        It is fetched where it depends on who answers, where a voicemail waits for the beep (the request tells us
        who answered), and where it is too long to go along.
        """
        delivery, lane = outbound.delivery, outbound.lane
        url = self._documents.answer_url(content.twiml, delivery, lane)
        if url is None and content.machine == "voicemail":
            url = self._documents.fetched(content.twiml, delivery, lane)
        if url is not None:
            return url, ""
        twiml = self._documents.with_urls(content.twiml, delivery, lane)
        if len(twiml) > MAX_TWIML:
            return self._documents.fetched(content.twiml, delivery, lane), ""
        return None, twiml

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        """Look through the calls to this number since the call."""
        return find(lambda: self._calls.list(to=question.to, limit=200), question)

    def fate(self, sent: Sent) -> Sequence[Receipt] | None:
        """Look at the call itself."""
        call = look(lambda: self._calls(sent.provider_id).fetch())
        if call is None or call is GONE:
            return None if call is None else ()
        mark = STATUSES.get(str(call.status))
        if mark not in _OVER:
            return ()
        fields = {
            "CallStatus": str(call.status),
            "AnsweredBy": call.answered_by or "",
            "CallDuration": call.duration or "",
            "To": str(call.to),
        }
        at = not_later(call.end_time, sent.asked_at)
        return (_progress(mark, sent.delivery, sent.provider_id, at, fields),)


def depends_on_who_answers(content: VoiceContent) -> bool:
    """Return whether a machine is to hear something else than a person."""
    return answer_address(content.twiml) is not None


class _CallWebhook(TwilioWebhook):
    """What the webhooks about one call share."""

    def _read(self, request: SignedRequest, fields: dict[str, str]) -> Heard:
        ours = reference(request)
        sid = fields.get("CallSid")
        if ours is None or not sid:
            return self._odd("no_reference", request)
        return self._hear(request, fields, ours, sid)

    def _hear(self, request: SignedRequest, fields: dict[str, str], ours: Reference, sid: str) -> Heard:
        raise NotImplementedError


class CallStatusWebhook(_CallWebhook):
    """`twilio/call-status`: how a call goes."""

    path = "twilio/call-status"

    def _hear(self, request: SignedRequest, fields: dict[str, str], ours: Reference, sid: str) -> Heard:
        status = fields.get("CallStatus", "")
        mark = STATUSES.get(status)
        if mark is None:
            return self._odd("unknown_status", request)
        if mark is Mark.ANSWERED and request.query.get("amd") and not fields.get("AnsweredBy"):
            mark = Mark.SENT  # who, or what, answered is told by the detection
        receipt = _progress(mark, ours.delivery, sid, _happened_at(fields, request), fields)
        return Heard(receipts=((ours.lane, receipt),))


def _progress(mark: Mark, delivery: DeliveryId, sid: str, at: datetime, fields: dict[str, str]) -> Receipt:
    duration = fields.get("CallDuration", "")
    why = failure(fields.get("ErrorCode")) if mark is Mark.FAILED else None
    return Receipt(
        delivery=delivery,
        mark=mark,
        at=at,
        receipt_id=f"{sid}:{fields.get('CallStatus', '')}",
        provider=PROVIDER,
        provider_id=sid,
        code=(fields.get("ErrorCode") or fields.get("SipResponseCode") or None) if why else None,
        reason=why.reason if why else None,
        hard=why.permanent if why else True,
        suppress=bool(why and why.permanent),
        answered_by=fields.get("AnsweredBy") or None,
        duration=int(duration) if duration.isdecimal() and len(duration) < 9 else None,
        address=fields.get("To") or None,
    )


class MachineWebhook(_CallWebhook):
    """`twilio/amd`: a person or a machine answered."""

    path = "twilio/amd"

    def _hear(self, request: SignedRequest, fields: dict[str, str], ours: Reference, sid: str) -> Heard:
        receipt = _answered(request, fields, ours, sid)
        return Heard(receipts=((ours.lane, receipt),) if receipt else ())


class AnswerWebhook(_CallWebhook):
    """`twilio/voice`: somebody or something answered; say the document that is meant for it."""

    path = "twilio/voice"
    twiml = HANG_UP

    def __init__(self, signature: TwilioSignature, account_sid: str, documents: CallDocuments) -> None:
        super().__init__(signature, account_sid)
        self._documents = documents

    def _hear(self, request: SignedRequest, fields: dict[str, str], ours: Reference, sid: str) -> Heard:
        turns = self._documents.turns(request.query.get("then", ""))
        turn = on_answer(turns, fields.get("AnsweredBy", ""))
        receipt = _answered(request, fields, ours, sid)
        return Heard(
            receipts=((ours.lane, receipt),) if receipt else (),
            twiml=_document(self._documents, turn, ours),
        )


class DigitsWebhook(_CallWebhook):
    """`twilio/gather`: somebody pressed digits or spoke, or a dialled number ended; go on as the template says."""

    path = "twilio/gather"
    twiml = HANG_UP

    def __init__(self, signature: TwilioSignature, account_sid: str, documents: CallDocuments) -> None:
        super().__init__(signature, account_sid)
        self._documents = documents

    def _hear(self, request: SignedRequest, fields: dict[str, str], ours: Reference, sid: str) -> Heard:
        # After a recording Twilio asks here too; its `Digits` is only the key that ended it.
        is_input = "RecordingUrl" not in fields and "DialCallStatus" not in fields
        digits = fields.get("Digits", "") if is_input else ""
        speech = fields.get("SpeechResult", "") if is_input else ""
        became = fields.get("DialCallStatus", "")
        turns = self._documents.turns(request.query.get("then", ""))
        chosen = on_input(turns, digits=digits, speech=speech, event=_DIALLED.get(became, became))
        marks = [Mark.DIGITS] if digits or speech else []
        if chosen.turn is not None and chosen.turn.unsubscribe:
            marks.append(Mark.UNSUBSCRIBED)
        number = request.query.get("n", "").replace("\0", "")
        receipts = [
            Receipt(
                delivery=ours.delivery,
                mark=mark,
                at=request.received_at,
                receipt_id=f"{sid}:{mark}:{number}:{digits or _digest(speech)}",
                provider=PROVIDER,
                provider_id=sid,
                digits=digits or _digits_of(chosen),
                speech=speech or None,
                choice=chosen.key,
                address=fields.get("To") or None,
            )
            for mark in marks
        ]
        return Heard(
            receipts=[(ours.lane, receipt) for receipt in receipts],
            twiml=_document(self._documents, chosen.turn, ours),
        )


def _digest(speech: str) -> str:
    """What was said, as it may stand in an id: nobody can read it back."""
    return blake2b(speech.encode(), digest_size=12).hexdigest() if speech else ""


def _digits_of(chosen: Chosen) -> str | None:
    """Whoever says a word that stands for a digit has pressed it."""
    return chosen.key if chosen.key and not chosen.key.strip("0123456789*#") else None


class RecordingWebhook(_CallWebhook):
    """`twilio/recording`: somebody left a voicemail."""

    path = "twilio/recording"

    def _hear(self, request: SignedRequest, fields: dict[str, str], ours: Reference, sid: str) -> Heard:
        recording = fields.get("RecordingSid")
        if not recording or fields.get("RecordingStatus", "completed") != "completed":
            return self._odd("no_recording", request)
        duration = fields.get("RecordingDuration", "")
        receipt = Receipt(
            delivery=ours.delivery,
            mark=Mark.VOICEMAIL,
            at=request.received_at,
            receipt_id=f"{recording}:recording",
            provider=PROVIDER,
            provider_id=sid,
            url=fields.get("RecordingUrl") or None,
            duration=int(duration) if duration.isdecimal() and len(duration) < 9 else None,
        )
        return Heard(receipts=((ours.lane, receipt),))


def _document(documents: CallDocuments, turn: Turn | None, ours: Reference) -> str:
    return HANG_UP if turn is None else documents.with_urls(turn.twiml, ours.delivery, ours.lane)


def _answered(request: SignedRequest, fields: dict[str, str], ours: Reference, sid: str) -> Receipt | None:
    who = fields.get("AnsweredBy")
    if not who:
        return None
    return Receipt(
        delivery=ours.delivery,
        mark=Mark.ANSWERED,
        at=request.received_at,
        receipt_id=f"{sid}:answered-by:{who}",
        provider=PROVIDER,
        provider_id=sid,
        answered_by=who,
        address=fields.get("To") or None,
    )


def _happened_at(fields: dict[str, str], request: SignedRequest) -> datetime:
    """Twilio's own time of the event, never later than when we got it."""
    try:
        at = parsedate_to_datetime(fields.get("Timestamp", ""))
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return request.received_at
    return min(at, request.received_at)
