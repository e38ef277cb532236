"""What SendGrid tells us about mails: signed events, and incoming mail."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from engage.channels.registry import build_webhooks
from engage.domain.delivery.delivery import Mark
from engage.domain.fact import Receipt, encode
from engage.ports.channel import (
    Heard,
    SignedRequest,
    Webhook,
)
from tests.channels.conftest import settings_for
from tests.channels.test_sendgrid import TO
from tests.channels.test_twilio_sms import NOW, REF

REAL_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVp"
    "iglSI8eNEc6wEA3F+g=="
)
"""The published vector of SendGrid's own SDK."""
REAL_SIGNATURE = (
    "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
)
REAL_TIMESTAMP = "1600112502"
REAL_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)


def webhook(path: str = "sendgrid/events", *keys: str) -> Webhook:
    settings = replace(settings_for("http://127.0.0.1:1"), sendgrid_public_keys=keys or (REAL_KEY,))
    return next(hook for hook in build_webhooks(settings) if hook.path == path)


def request(
    body: bytes, headers: dict[str, str] | None = None, path: str = "sendgrid/events"
) -> SignedRequest:
    return SignedRequest(
        method="POST",
        url=f"https://engage.example/webhooks/{path}",
        query={},
        headers=headers or {},
        body=body,
        received_at=NOW,
    )


def signed(
    body: bytes, signature: str | None = REAL_SIGNATURE, timestamp: str | None = REAL_TIMESTAMP
) -> bool:
    headers = {"signature": signature, "timestamp": timestamp}
    return webhook().verify(
        request(
            body,
            {
                f"x-twilio-email-event-webhook-{name}": value
                for name, value in headers.items()
                if value is not None
            },
        )
    )


def test_sendgrids_own_vector_verifies() -> None:
    assert signed(REAL_BODY)


@pytest.mark.parametrize(
    ("body", "signature", "timestamp"),
    [
        (REAL_BODY.rstrip(), REAL_SIGNATURE, REAL_TIMESTAMP),
        (json.dumps(json.loads(REAL_BODY)).encode(), REAL_SIGNATURE, REAL_TIMESTAMP),
        (REAL_BODY, REAL_SIGNATURE, "1600112503"),
        (REAL_BODY, None, REAL_TIMESTAMP),
        (REAL_BODY, REAL_SIGNATURE, None),
        (REAL_BODY, "not base64!", REAL_TIMESTAMP),
        (REAL_BODY, "AAAA", REAL_TIMESTAMP),
        (REAL_BODY, "", ""),
        (REAL_BODY, "é", "é"),
    ],
)
def test_anything_else_is_refused_without_an_exception(
    body: bytes, signature: str | None, timestamp: str | None
) -> None:
    assert not signed(body, signature, timestamp)


def test_both_keys_verify_while_they_are_rotated() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body, timestamp = b"[]\xff\r\n", "1700000000"
    signature = base64.b64encode(key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    headers = {
        "x-twilio-email-event-webhook-signature": signature,
        "x-twilio-email-event-webhook-timestamp": timestamp,
    }

    assert webhook("sendgrid/events", REAL_KEY, base64.b64encode(public).decode()).verify(
        request(body, headers)
    )


def event(word: str, **more: Any) -> dict[str, Any]:
    return {
        "email": TO,
        "event": word,
        "timestamp": int(NOW.timestamp()) - 10,
        "sg_event_id": "e1",
        "sg_message_id": "14c5.recvd-1",
        "engage_ref": REF,
        "engage_lane": "7",
        **more,
    }


def read(*events: Any) -> Heard:
    return webhook().read(request(json.dumps(list(events)).encode()))


def receipts(*events: Any) -> list[Receipt]:
    heard = read(*events)
    assert not heard.quarantined
    assert {lane for lane, _ in heard.receipts} <= {7}
    return [receipt for _, receipt in heard.receipts]


@pytest.mark.parametrize(
    ("given_event", "mark", "fields"),
    [
        (event("processed"), Mark.ACCEPTED, {}),
        (event("deferred", response="450 busy", attempt="2"), Mark.DEFERRED, {"reason": "450 busy"}),
        (event("delivered"), Mark.DELIVERED, {}),
        (
            event("bounce", type="bounce", status="5.1.1", reason=f"no {TO} here"),
            Mark.BOUNCED,
            {"hard": True, "suppress": True, "code": "5.1.1", "reason": "no [address] here"},
        ),
        (
            event("bounce", type="blocked", status="4.7.1", bounce_classification="Reputation"),
            Mark.BOUNCED,
            {"hard": False, "suppress": False, "reason": "Reputation"},
        ),
        (
            event("dropped", reason="Bounced Address"),
            Mark.DROPPED,
            {"reason": "invalid_address", "hard": True},
        ),
        (event("dropped", reason="Invalid"), Mark.DROPPED, {"reason": "invalid_address"}),
        (event("dropped", reason="Invalid SMTPAPI header"), Mark.DROPPED, {"reason": "config"}),
        (event("dropped", reason="Spam Content"), Mark.DROPPED, {"reason": "content", "hard": False}),
        (event("dropped", reason="news"), Mark.DROPPED, {"reason": "provider_error", "code": "dropped"}),
        (event("open"), Mark.OPENED, {"machine": False}),
        (event("open", sg_machine_open=True), Mark.OPENED_ANY, {"machine": True}),
        (event("click", url="https://shop/1"), Mark.CLICKED, {"url": "https://shop/1"}),
        (event("spamreport"), Mark.COMPLAINED, {}),
        (event("unsubscribe"), Mark.UNSUBSCRIBED, {}),
        (event("group_unsubscribe", asm_group_id=1), Mark.UNSUBSCRIBED, {}),
        (event("group_resubscribe", asm_group_id=1), Mark.RESUBSCRIBED, {}),
    ],
)
def test_every_event_has_its_mark(given_event: dict[str, Any], mark: Mark, fields: dict[str, Any]) -> None:
    (receipt,) = receipts(given_event)

    assert (receipt.mark, receipt.delivery, receipt.address) == (mark, REF, TO)
    assert receipt.at == NOW - timedelta(seconds=10)
    assert {name: getattr(receipt, name) for name in fields} == fields
    assert encode(receipt)


@pytest.mark.parametrize("reason", ["Unsubscribed Address", "Spam Reporting Address"])
def test_a_drop_because_the_person_said_no_is_a_no(reason: str) -> None:
    assert [r.mark for r in receipts(event("dropped", reason=reason))] == [Mark.DROPPED, Mark.UNSUBSCRIBED]


def test_what_is_about_the_account_is_put_aside_for_people() -> None:
    heard = read(
        {"event": "account_status_change", "type": "compliance_suspend", "timestamp": 1}, event("open")
    )

    assert [reason for reason, _ in heard.quarantined] == ["account_event"]
    assert len(heard.receipts) == 1


def test_a_retry_of_an_event_is_the_same_receipt_even_under_another_event_id() -> None:
    first, again = receipts(event("bounce", type="bounce"), event("bounce", type="bounce", sg_event_id="e2"))

    assert first.receipt_id == again.receipt_id


def test_events_that_differ_are_different_receipts() -> None:
    several = receipts(
        event("click", url="https://a"),
        event("click", url="https://b"),
        event("click", url="https://a", timestamp=1),
        event("open"),
        event("deferred", attempt="1"),
        event("deferred", attempt="2"),
    )

    assert len({receipt.receipt_id for receipt in several}) == 6
    assert not any(TO in receipt.receipt_id for receipt in several)


def test_one_broken_event_does_not_lose_its_neighbours() -> None:
    body = (
        b"["
        + json.dumps(event("delivered")).encode()
        + b', 7, {"event": "delivered"}, {"a": 1, "a": [[]]}, '
        + json.dumps(event("teleported")).encode()
        + b","
        + json.dumps(event("open")).encode()
        + b"]\r\n"
    )

    heard = webhook().read(request(body))

    assert [receipt.mark for _, receipt in heard.receipts] == [Mark.DELIVERED, Mark.OPENED]
    assert [reason for reason, _ in heard.quarantined] == [
        "unreadable",
        "no_reference",
        "no_reference",
        "unknown_event",
    ]


def test_half_an_emoji_in_one_event_does_not_lose_its_neighbours() -> None:
    cut_off = json.dumps(event("open")).encode().replace(b'"open"', b'"open", "useragent": "Mail \\ud83d"')
    body = b"[" + cut_off + b"," + json.dumps(event("delivered")).encode() + b"]"

    heard = webhook().read(request(body))

    assert [receipt.mark for _, receipt in heard.receipts] == [Mark.OPENED, Mark.DELIVERED]
    assert heard.quarantined == []


@pytest.mark.parametrize("lane", ["64", "-1", "x", None, 1.5, True, "٣", ["7"], "9" * 5000])
def test_a_lane_that_is_none_of_ours_is_quarantined(lane: object) -> None:
    heard = read(event("open", engage_lane=lane))

    if lane == "٣":  # a digit all the same
        assert heard.receipts[0][0] == 3
    else:
        assert [reason for reason, _ in heard.quarantined] == ["no_reference"]


@pytest.mark.parametrize("stamp", [None, "x", -1, 10**20, 1e400, "99999999999", True])
def test_an_odd_or_future_time_is_when_we_got_it(stamp: object) -> None:
    assert receipts(event("open", timestamp=stamp if stamp != 1e400 else 10**30))[0].at == NOW


@given(st.binary(max_size=300))
def test_reading_events_never_raises_on_bytes(body: bytes) -> None:
    assert isinstance(webhook().read(request(body)), Heard)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "engage_ref": st.just(REF),
                "engage_lane": st.just("7"),
                "event": st.sampled_from(["bounce", "open", "dropped", "deferred"]),
            },
            optional=dict.fromkeys(
                ("timestamp", "email", "reason", "status", "type", "url", "sg_message_id"), _json
            ),
        ),
        max_size=3,
    )
)
def test_every_receipt_of_an_event_can_be_stored(events: list[dict[str, Any]]) -> None:
    for receipt in receipts(*events):
        assert encode(receipt)


# --- incoming mail ------------------------------------------------------------------------------------------------


def form(fields: dict[str, bytes]) -> SignedRequest:
    parts = [
        b'--xYzZY\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n' + value + b"\r\n"
        for name, value in fields.items()
    ]
    headers = {"content-type": "multipart/form-data; boundary=xYzZY"}
    return request(b"".join(parts) + b"--xYzZY--\r\n", headers, "sendgrid/inbound")


MAIL = {
    "headers": b"Message-ID: <m1@x.example>\r\nSubject: Re: cart",
    "from": b"Somebody <spoof@x.example>",
    "to": b"replies@shop.example",
    "subject": b"Re: cart",
    "text": "Grüße".encode("latin-1"),
    "envelope": b'{"to":["Replies@shop.example"],"from":"Ada@shop.example"}',
    "charsets": b'{"text":"iso-8859-1","subject":"UTF-8"}',
}


def test_a_mail_comes_from_its_envelope_in_its_character_set() -> None:
    (mail,) = webhook("sendgrid/inbound").read(form(MAIL)).inbound

    assert (mail.channel, mail.sender, mail.to) == ("email", TO, "replies@shop.example")
    assert (mail.message_id, mail.subject, mail.body) == ("<m1@x.example>", "Re: cart", "Grüße")
    assert mail.at == NOW


RAW = (
    b"Message-ID: <m2@x.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n"
    b"Sch\xf6n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>no</p>\r\n--b--\r\n"
)


def test_a_mail_may_come_whole() -> None:
    fields = {"email": RAW, "envelope": MAIL["envelope"], "subject": b"broken \xfc", "to": MAIL["to"]}

    (mail,) = webhook("sendgrid/inbound").read(form(fields)).inbound

    assert (mail.message_id, mail.subject, mail.body.strip(), mail.sender) == (
        "<m2@x.example>",
        "Grüße",
        "Schön",
        TO,
    )


@given(st.binary(max_size=300))
def test_a_whole_mail_of_any_bytes_is_read_or_put_aside(mail: bytes) -> None:
    heard = webhook("sendgrid/inbound").read(
        form({"email": mail.replace(b"--xYzZY", b""), "envelope": MAIL["envelope"]})
    )

    assert len(heard.inbound) + len(heard.quarantined) == 1


def test_a_mail_without_an_id_gets_a_stable_one() -> None:
    def read_id(text: bytes) -> str:
        fields = {**MAIL, "headers": b"Subject: x", "text": text}
        return webhook("sendgrid/inbound").read(form(fields)).inbound[0].message_id

    assert read_id(b"a") == read_id(b"a")
    assert read_id(b"a") != read_id(b"b")


def test_a_mail_without_a_sender_is_quarantined() -> None:
    heard = webhook("sendgrid/inbound").read(form({"text": b"x"}))

    assert [reason for reason, _ in heard.quarantined] == ["no_sender"]


@given(
    body=st.binary(max_size=200),
    kind=st.sampled_from(["multipart/form-data; boundary=x", "text/plain", "", "multipart/form-data"]),
)
def test_reading_mail_never_raises(body: bytes, kind: str) -> None:
    heard = webhook("sendgrid/inbound").read(request(body, {"content-type": kind}, "sendgrid/inbound"))

    assert isinstance(heard, Heard)


@given(envelope=_json, charsets=_json)
def test_reading_odd_forms_never_raises(envelope: object, charsets: object) -> None:
    fields = {**MAIL, "envelope": json.dumps(envelope).encode(), "charsets": json.dumps(charsets).encode()}

    assert isinstance(webhook("sendgrid/inbound").read(form(fields)), Heard)


def test_a_received_time_in_another_zone_is_no_problem() -> None:
    later = datetime(2027, 1, 1, tzinfo=UTC)

    heard = webhook().read(replace(request(json.dumps([event("open")]).encode()), received_at=later))

    assert heard.receipts[0][1].at < later
