"""Sink answers: what the two providers say to a send, and the signed callbacks about it, byte by byte."""

import hmac
import json
import time
from binascii import b2a_base64
from email.utils import formatdate
from typing import Any
from urllib.parse import quote_plus, unquote_plus, urlsplit

import msgspec

from engage.bench.sink_wire import response
from engage.sandbox.signing import EventSigner

CREATED, ACCEPTED = b"201 Created", b"202 Accepted"
_JSON = b"Content-Type: application/json;charset=utf-8"
_TEXT_MESSAGE = (
    '{"sid":"%s","account_sid":"%s","api_version":"2010-04-01","body":%s,"date_created":"%s","date_sent":null,'
    '"date_updated":"%s","direction":"outbound-api","error_code":null,"error_message":null,"from":%s,'
    '"messaging_service_sid":null,"num_media":"0","num_segments":"1","price":null,"price_unit":"USD",'
    '"status":"queued","subresource_uris":{"media":"%s/Media.json"},"to":%s,"uri":"%s.json"}'
)


class TextMessages:
    """One account's Messages API."""

    def __init__(self, account_sid: str, auth_token: str) -> None:
        """`auth_token` signs the callbacks."""
        self._account = account_sid
        self._token = auth_token.encode()
        self._second, self._date = 0, ""

    def created(self, number: int, to: str, sender: str, body: str) -> tuple[str, bytes]:
        """Return the id of the `number`th message and the response to its creation."""
        sid = f"SM{number:032x}"
        uri = f"/2010-04-01/Accounts/{self._account}/Messages/{sid}"
        now = self._now()
        text = _TEXT_MESSAGE % (
            sid, self._account, json.dumps(body), now, now, json.dumps(sender), uri, json.dumps(to), uri
        )  # fmt: skip
        return sid, response(CREATED, text.encode(), _JSON)

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, formatdate(second)
        return self._date

    def callback(self, url: str, sid: str, status: str, to: str, sender: str) -> bytes:
        """Return the signed request that reports `status`; `url` as it was given, fragment and all."""
        target = url.partition("#")[0]
        # In the order of the names, as they are signed.
        fields = (
            ("AccountSid", self._account),
            ("ApiVersion", "2010-04-01"),
            ("From", sender),
            ("MessageSid", sid),
            ("MessageStatus", status),
            ("SmsSid", sid),
            ("SmsStatus", status),
            ("To", to),
        )
        signed = target + "".join([name + value for name, value in fields])
        signature = b2a_base64(hmac.digest(self._token, signed.encode(), "sha1"), newline=False)
        body = "&".join([f"{name}={quote_plus(value)}" for name, value in fields]).encode()
        return request(
            target,
            body,
            b"Content-Type: application/x-www-form-urlencoded; charset=UTF-8",
            b"User-Agent: TwilioProxy/1.1",
            b"I-Twilio-Idempotency-Token: " + f"{sid}-{status}".encode(),
            b"X-Twilio-Signature: " + signature,
        )


class _To(msgspec.Struct):
    email: str


class _Personalization(msgspec.Struct):
    to: list[_To]
    custom_args: dict[str, str] = {}


class _Mail(msgspec.Struct):
    """What of a mail the sink looks at; content is skipped."""

    personalizations: list[_Personalization]


_mail = msgspec.json.Decoder(_Mail)


class Mails:
    """One account's mail/send and event webhook."""

    def __init__(self, signing_key: str, event_url: str) -> None:
        """`signing_key` is a P-256 key as PEM."""
        self._signer = EventSigner(signing_key)
        self._event_url = event_url

    def accepted(self, number: int, body: bytes) -> tuple[str, list[dict[str, Any]], bytes]:
        """Return the recipient of the `number`th mail, its events, and the response.

        Raises:
            msgspec.DecodeError: it is no mail.
        """
        sent = _mail.decode(body).personalizations[0]
        message_id = f"bench{number:017d}"
        events = [
            {
                "email": sent.to[0].email,
                "timestamp": int(time.time()),
                "smtp-id": f"<{message_id}@ismtpd-bench>",
                "event": name,
                "sg_event_id": f"{name}-{number:020d}",
                "sg_message_id": f"{message_id}.recvd-bench-1-2-3.0",
                **sent.custom_args,
                **({"response": "250 2.0.0 OK: queued"} if name == "delivered" else {}),
            }
            for name in ("processed", "delivered")
        ]
        answer = response(ACCEPTED, b"", b"X-Message-Id: " + message_id.encode())
        return sent.to[0].email, events, answer

    def batch(self, events: list[dict[str, Any]]) -> bytes:
        """Return the signed request that brings `events`."""
        body = b"[" + b",\r\n".join([msgspec.json.encode(event) for event in events]) + b"]\r\n"
        timestamp = str(int(time.time()))
        signature = self._signer.sign(timestamp, body)
        return request(
            self._event_url,
            body,
            b"Content-Type: application/json",
            b"User-Agent: SendGrid Event API",
            b"X-Twilio-Email-Event-Webhook-Timestamp: " + timestamp.encode(),
            b"X-Twilio-Email-Event-Webhook-Signature: " + signature.encode(),
        )


def form_fields(body: bytes, *names: str) -> list[str]:
    """Return these fields of a form body, '' for one that is missing; the first of repeated ones."""
    found = dict.fromkeys(names, "")
    for part in body.decode().split("&"):
        name, _, value = part.partition("=")
        if name in found and not found[name]:
            found[name] = unquote_plus(value)
    return list(found.values())


def request(url: str, body: bytes, *headers: bytes) -> bytes:
    """Return a POST to `url`."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    lines = [
        b"POST " + target.encode() + b" HTTP/1.1",
        b"Host: " + parts.netloc.encode(),
        *headers,
        b"Content-Length: %d" % len(body),
        b"",
        body,
    ]
    return b"\r\n".join(lines)
