"""Twilio's webhooks: the URLs we hand out, the signature, and our reference in them."""

import hmac
import re
from binascii import b2a_base64
from collections.abc import Sequence
from threading import local
from typing import NamedTuple
from urllib.parse import unquote_plus

from twilio.request_validator import (
    RequestValidator,
    get_signature_algorithm,
)

from engage.domain.ids import LANES, DeliveryId
from engage.ports.channel import Heard, SignedRequest

MAX_FIELDS = 1000
_REF = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_RETRIES = "#rc=5&rp=all"
"""Connection overrides: by default Twilio does not call again after our 5xx. Not part of the signed URL."""


class Reference(NamedTuple):
    """Which delivery a callback is about, from the URL we gave."""

    delivery: DeliveryId
    lane: int


def callback_url(public_url: str, path: str, delivery: DeliveryId, lane: int, more: str = "") -> str:
    """Return the URL for Twilio to call about `delivery`. It carries ids, never personal data."""
    return f"{public_url}/webhooks/{path}?ref={delivery}&lane={lane}{more}{_RETRIES}"


def reference(request: SignedRequest) -> Reference | None:
    """Return our reference in a callback's URL; none if it is not one of ours."""
    return as_reference(request.query.get("ref", ""), request.query.get("lane", ""))


def as_reference(ref: str, lane: str) -> Reference | None:
    """Return the reference that two texts are; none if they are none of ours."""
    if not _REF.match(ref) or not (
        lane.isascii() and lane.isdigit() and len(lane) <= 2 and int(lane) < LANES
    ):
        return None
    return Reference(DeliveryId(ref), int(lane))


Pairs = Sequence[tuple[str, str]]


def parse_form(body: bytes) -> Pairs:
    """Return the fields of a form body in order, blank ones included (the signature counts them).

    Raises:
        ValueError: it has more than `MAX_FIELDS` fields.
    """
    text = body.decode("utf-8", "replace")
    if not text:
        return ()
    parts = text.split("&")
    if len(parts) > MAX_FIELDS:
        raise ValueError("too many form fields")
    pairs = []
    for part in parts:
        if part:
            name, _, value = part.partition("=")
            pairs.append((_plain(name), _plain(value)))
    return pairs


def _plain(text: str) -> str:
    return unquote_plus(text, "utf-8", "replace") if "%" in text or "+" in text else text


_parsed = local()


def form(request: SignedRequest) -> Pairs:
    """Return `parse_form` of the body; the same request is parsed once for verifying and reading."""
    if getattr(_parsed, "body", None) is request.body:
        kept: Pairs = _parsed.pairs
        return kept
    pairs = parse_form(request.body)
    _parsed.body, _parsed.pairs = request.body, pairs
    return pairs


class _Multi(dict[str, list[str]]):
    """The fields as the SDK's validator wants repeated ones."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


class TwilioSignature:
    """Checks `X-Twilio-Signature`. Accepts any of `tokens`, so that a token can be rotated.

    First the exact URL by one HMAC (4 µs); only if that fails the SDK's validator (60 µs), which also knows URLs with
    and without port, JSON bodies with `bodySHA256` and the SHA-256 setting.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = [token.encode() for token in tokens if token]
        self._validators = [RequestValidator(token) for token in tokens if token]

    def good(self, request: SignedRequest) -> bool:
        """Return whether one of our tokens signed this request. Never raises; constant-time compare."""
        signature = request.headers.get("x-twilio-signature")
        if not signature or not signature.isascii():
            return False
        try:
            if self._is_json(request):
                return self._by_sdk(request, signature, request.body.decode())
            pairs = () if request.method == "GET" else form(request)
            return self._quick(request.url, pairs, signature.encode()) or self._by_sdk(
                request, signature, _multi(pairs)
            )
        except (ValueError, TypeError, AttributeError, LookupError):
            # The SDK's validator raises on odd URLs, ports and bodies: not a signature of Twilio's.
            return False

    def _quick(self, url: str, pairs: Pairs, signature: bytes) -> bool:
        fields = dict(pairs)
        if len(fields) == len(pairs):
            text = "".join([name + fields[name] for name in sorted(fields)])
        else:
            # Names sorted, per name the distinct values sorted: exactly the order of distinct pairs.
            text = "".join([name + value for name, value in sorted(set(pairs))])
        signed = (url + text).encode()
        for token in self._tokens:
            digest = b2a_base64(hmac.digest(token, signed, "sha1"), newline=False)
            if hmac.compare_digest(digest, signature):
                return True
        return False

    @staticmethod
    def _is_json(request: SignedRequest) -> bool:
        return "json" in request.headers.get("content-type", "")

    def _by_sdk(self, request: SignedRequest, signature: str, body: str | _Multi) -> bool:
        if isinstance(body, str) and "bodySHA256" not in request.query:
            return False  # Nothing would tie the body to the signature.
        algorithm = get_signature_algorithm(request.headers.get("x-twilio-webhooks-signature-settings"))
        return any(v.validate(request.url, body, signature, algorithm) for v in self._validators)


def _multi(pairs: Pairs) -> _Multi:
    multi = _Multi()
    for name, value in pairs:
        multi.setdefault(name, []).append(value)
    return multi


class TwilioWebhook:
    """What all of Twilio's webhooks share: the signature, the account, our reference."""

    path: str
    twiml: str | None = None
    """The document to answer with whatever was said."""

    def __init__(self, signature: TwilioSignature, account_sid: str) -> None:
        self._signature = signature
        self._account_sid = account_sid

    def verify(self, request: SignedRequest) -> bool:
        """Return whether Twilio signed this request with one of our tokens. Never raises."""
        return self._signature.good(request)

    def read(self, request: SignedRequest) -> Heard:
        """Return what a verified request says; what is not understood is quarantined, never raised."""
        try:
            # U+0000 is in no text that a person writes, and no database takes it.
            fields = {name: value.replace("\0", "") for name, value in form(request)}
        except ValueError:
            return self._odd("unreadable", request)
        if fields.get("AccountSid", self._account_sid) != self._account_sid:
            return self._odd("other_account", request)
        return self._read(request, fields)

    def _read(self, request: SignedRequest, fields: dict[str, str]) -> Heard:
        raise NotImplementedError

    def _odd(self, reason: str, request: SignedRequest) -> Heard:
        return Heard(quarantined=((reason, request.body),), twiml=self.twiml)
