"""Codes through Twilio's Verify: it makes the code, sends it in words of its own, and says whether somebody knows it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.base.values import unset
from twilio.rest import Client

from engage.channels.connections import NotSentError, OutcomeUnknownError
from engage.channels.twilio_sms import CLOCK_SKEW, FAILURES, PROVIDER, attempt
from engage.channels.twilio_transport import KeptHttpClient
from engage.domain.delivery.delivery import Channel, FailReason
from engage.domain.fact import Receipt
from engage.ports.channel import (
    Answer,
    CannotSay,
    CodeVerdict,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    Sent,
    Taken,
    TellingSender,
)

NAME = "verify"
"""The sender of a step whose text is a code of Verify's: the service of the settings."""
_CHANNELS = {Channel.SMS: "sms", Channel.WHATSAPP: "whatsapp", Channel.VOICE: "call"}
_TOO_MANY = 429


class TwilioCodes:
    """Sends and checks codes. The SDK's client over kept connections."""

    provider = PROVIDER

    def __init__(self, client: Client, http: KeptHttpClient, service: str | None) -> None:
        """`service`: VA…, of steps that name none themselves."""
        self._services = client.verify.v2.services
        self._http, self._service = http, service

    def send(self, outbound: Outbound) -> Answer:
        """Have a code sent. As long as one is open, asking again sends the same one again."""
        service, channel = self._service_of(outbound.sender), _CHANNELS.get(outbound.channel)
        if service is None or channel is None:
            detail = "TWILIO_VERIFY_SERVICE_SID is not set, or this channel takes no codes"
            return Rejected(reason=FailReason.CONFIG, code="no_verify_service", detail=detail)
        verifications = self._services(service).verifications
        return attempt(lambda: verifications.create(to=outbound.to, channel=channel), self._http)

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        """Look whether the address's open code was sent at the time of the call."""
        service = self._service_of(question.sender)
        if service is None:
            return CannotSay()
        try:
            code = self._services(service).verifications(question.to).fetch()
        except TwilioRestException as exc:
            # Nothing is open: none was made, or somebody was quicker with the code than we with the question.
            return CannotSay() if exc.status != 404 else NotTaken()
        except FAILURES:
            return CannotSay()
        sent = [_instant(made.get("time")) for made in code.send_code_attempts or ()]
        if any(at is not None and at >= question.called_at - CLOCK_SKEW for at in sent):
            return Taken(provider_id=code.sid)
        return NotTaken()

    def check(self, sender: str | None, provider_id: str, code: str) -> CodeVerdict:
        """Ask whether this is the code. Each ask counts; a code is good once."""
        service = self._service_of(sender)
        if service is None:
            return CodeVerdict.UNAVAILABLE
        try:
            checks = self._services(service).verification_checks
            found: Any = checks.create(verification_sid=provider_id or unset, code=code)
        except TwilioRestException as exc:
            return {404: CodeVerdict.OVER, _TOO_MANY: CodeVerdict.TOO_MANY}.get(
                exc.status, CodeVerdict.UNAVAILABLE
            )
        except (*FAILURES, TwilioException, NotSentError, OutcomeUnknownError):
            return CodeVerdict.UNAVAILABLE
        return CodeVerdict.RIGHT if found.status == "approved" else CodeVerdict.WRONG

    def _service_of(self, sender: str | None) -> str | None:
        return sender if sender is not None and sender != NAME else self._service


def names_codes(sender: str | None) -> bool:
    """Return whether what a step is sent as is a service that makes codes."""
    return sender == NAME or (sender is not None and sender.startswith("VA") and len(sender) == 34)


class OrCode:
    """A channel's usual sender, and codes where a step is sent as `verify`."""

    provider = PROVIDER

    def __init__(self, usual: TellingSender, codes: TwilioCodes) -> None:
        """Stand before both."""
        self._usual, self._codes = usual, codes

    def send(self, outbound: Outbound) -> Answer:
        """Call the one that is meant."""
        return (self._codes if names_codes(outbound.sender) else self._usual).send(outbound)

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        """Ask the one that was called."""
        return (self._codes if names_codes(question.sender) else self._usual).ask(question)

    def fate(self, sent: Sent) -> Sequence[Receipt] | None:
        """Ask about what the usual sender sent; of a code nobody tells how it came."""
        return () if names_codes(sent.sender) else self._usual.fate(sent)


def _instant(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else None
