"""What Twilio tells us about texts: statuses, failures, keywords, replies."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.channels.registry import build_webhooks
from engage.channels.twilio_errors import failure
from engage.domain.delivery.delivery import FailReason, Mark
from engage.domain.fact import Inbound, Receipt, encode
from engage.ports.channel import (
    Heard,
    SignedRequest,
    Webhook,
)
from tests.channels.conftest import ACCOUNT, PUBLIC, settings_for
from tests.channels.test_twilio_sms import NOW, REF, TO


def webhook(path: str) -> Webhook:
    return next(hook for hook in build_webhooks(settings_for("http://127.0.0.1:1")) if hook.path == path)


def hear(path: str, fields: dict[str, str] | bytes, query: dict[str, str] | None = None) -> Heard:
    query = {"ref": REF, "lane": "7"} if query is None else query
    return webhook(path).read(
        SignedRequest(
            method="POST",
            url=f"{PUBLIC}/webhooks/{path}?{urlencode(query)}",
            query=query,
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=fields if isinstance(fields, bytes) else urlencode(fields).encode(),
            received_at=NOW,
        )
    )


def status(word: str, **more: str) -> dict[str, str]:
    return {"MessageSid": "SM1", "MessageStatus": word, "AccountSid": ACCOUNT, "To": TO, **more}


@pytest.mark.parametrize(
    ("word", "mark"),
    [
        ("accepted", Mark.ACCEPTED),
        ("scheduled", Mark.ACCEPTED),
        ("queued", Mark.ACCEPTED),
        ("sending", Mark.ACCEPTED),
        ("sent", Mark.SENT),
        ("delivered", Mark.DELIVERED),
        ("read", Mark.OPENED),
        ("undelivered", Mark.UNDELIVERED),
        ("failed", Mark.FAILED),
        ("canceled", Mark.CANCELED),
    ],
)
def test_every_status_has_its_mark(word: str, mark: Mark) -> None:
    (lane, receipt), *more = hear("twilio/status", status(word)).receipts

    assert (lane, receipt.delivery, receipt.mark, receipt.provider_id) == (7, REF, mark, "SM1")
    assert receipt.at == NOW
    assert not more
    assert encode(receipt)


def test_a_repeated_callback_is_the_same_receipt_and_another_status_is_not() -> None:
    def receipt_id(word: str) -> str:
        return hear("twilio/status", status(word)).receipts[0][1].receipt_id

    assert receipt_id("sent") == receipt_id("sent")
    assert receipt_id("sent") != receipt_id("delivered")


@pytest.mark.parametrize(
    ("code", "reason", "hard"),
    [
        ("30005", "invalid_address", True),
        ("30003", "provider_error", False),
        ("30004", "blocked", False),
        ("30007", "content", False),
        ("30034", "config", False),
        ("123456", "provider_error", False),
        ("", "provider_error", False),
        ("²", "provider_error", False),
    ],
)
def test_a_failures_code_says_why_and_whether_the_address_is_at_fault(
    code: str, reason: str, hard: bool
) -> None:
    (_, receipt) = hear("twilio/status", status("undelivered", ErrorCode=code)).receipts[0]

    assert (receipt.reason, receipt.suppress, receipt.hard, receipt.code) == (
        reason,
        hard,
        hard,
        code or None,
    )


def test_a_21610_by_callback_is_a_no_as_well() -> None:
    heard = hear("twilio/status", status("failed", ErrorCode="21610"))

    assert [receipt.mark for _, receipt in heard.receipts] == [Mark.FAILED, Mark.UNSUBSCRIBED]
    assert len({receipt.receipt_id for _, receipt in heard.receipts}) == 2


@pytest.mark.parametrize(
    ("fields", "query", "reason"),
    [
        (status("sent"), {}, "no_reference"),
        (status("sent"), {"ref": REF, "lane": "64"}, "no_reference"),
        (status("sent"), {"ref": REF, "lane": "-1"}, "no_reference"),
        (status("sent"), {"ref": REF, "lane": "٣"}, "no_reference"),
        (status("sent"), {"ref": "'; drop", "lane": "7"}, "no_reference"),
        (status("teleported"), None, "unknown_status"),
        ({"MessageSid": "SM1"}, None, "unknown_status"),
        ({**status("sent"), "AccountSid": "ACother"}, None, "other_account"),
    ],
)
def test_what_is_not_understood_is_quarantined(
    fields: dict[str, str], query: dict[str, str] | None, reason: str
) -> None:
    heard = hear("twilio/status", fields, query)

    assert not heard.receipts
    assert heard.quarantined[0][0] == reason


def inbound(**fields: str) -> Inbound:
    base = {"MessageSid": "SM9", "From": TO, "To": "+15005550006", "AccountSid": ACCOUNT, "Body": "Hello"}
    heard = hear("twilio/inbound", {**base, **fields}, {})
    assert heard.twiml is not None
    assert heard.twiml.endswith("<Response/>")
    return heard.inbound[0]


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        ("STOP", "stop"),
        (" stop \n", "stop"),
        ("Unsubscribe", "stop"),
        ("optout", "stop"),
        ("start", "start"),
        ("UNSTOP", "start"),
        ("Help", "help"),
        ("INFO", "help"),
        ("please stop", None),
        ("YES", None),
        ("", None),
    ],
)
def test_a_keyword_is_the_whole_text_in_any_case(body: str, keyword: str | None) -> None:
    heard = inbound(Body=body)

    assert (heard.keyword, heard.provider_replied, heard.body) == (keyword, False, body)


def test_what_twilio_says_about_the_opt_out_wins_and_it_has_replied() -> None:
    heard = inbound(Body="arrêt", OptOutType="STOP")

    assert (heard.keyword, heard.provider_replied) == ("stop", True)


def test_an_inbound_text_has_its_sender_media_and_id() -> None:
    heard = inbound(NumMedia="2", MediaUrl0="https://m/0", MediaUrl1="https://m/1")

    assert (heard.channel, heard.sender, heard.to, heard.message_id) == ("sms", TO, "+15005550006", "SM9")
    assert heard.media == ("https://m/0", "https://m/1")


def test_a_whatsapp_stop_is_not_an_sms_keyword() -> None:
    heard = inbound(From=f"whatsapp:{TO}", To="whatsapp:+15005550006", Body="STOP")

    assert (heard.channel, heard.sender, heard.keyword) == ("whatsapp", TO, None)


@given(
    path=st.sampled_from([hook.path for hook in build_webhooks(settings_for("http://127.0.0.1:1"))]),
    body=st.binary(max_size=300),
    query=st.dictionaries(st.sampled_from(["ref", "lane", "then", "n"]), st.text(max_size=40)),
)
def test_reading_never_raises(path: str, body: bytes, query: dict[str, str]) -> None:
    heard = hear(path, body, query)

    assert isinstance(heard, Heard)


@given(
    path=st.sampled_from(
        ["twilio/status", "twilio/call-status", "twilio/gather", "twilio/amd", "twilio/recording"]
    ),
    fields=st.dictionaries(
        st.sampled_from(
            [
                *("MessageStatus", "MessageSid", "ErrorCode", "To", "CallSid", "CallStatus", "CallDuration"),
                *(
                    "Timestamp",
                    "Digits",
                    "AnsweredBy",
                    "SipResponseCode",
                    "RecordingSid",
                    "RecordingDuration",
                ),
            ]
        ),
        st.text(max_size=30) | st.sampled_from(["sent", "failed", "completed", "21610", "²", "٣", "0"]),
    ),
)
def test_every_receipt_can_be_stored(path: str, fields: dict[str, str]) -> None:
    for lane, receipt in hear(path, fields).receipts:
        assert 0 <= lane < 64
        assert isinstance(receipt, Receipt)
        assert receipt.mark in set(Mark)
        assert encode(receipt)


@given(st.text(max_size=12))
def test_any_error_code_has_a_meaning(code: str) -> None:
    assert failure(code).reason in set(FailReason)
