"""What people send: texts with keywords, mails, answers of the webhook."""

from __future__ import annotations

import urllib.error
from typing import Any

import pytest
from sendgrid.helpers.eventwebhook import EventWebhook
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from tests.sandbox.twin import FROM, PERSON, TOKEN, Json, Receiver, Twin

SERVICE = "MG" + "2" * 32


@pytest.fixture
def inbox(twin: Twin, receiver: Receiver) -> Receiver:
    twin.configure(inbound_sms_url=f"{receiver.url}/inbound?x=1#rc=2&rp=all", numbers=[FROM])
    return receiver


def says(twin: Twin, body: str, **more: Any) -> Json:
    return twin.post("inbound", {"channel": "sms", "from": PERSON, "body": body} | more)


def test_an_inbound_text_is_signed_and_its_answer_awaited(twin: Twin, inbox: Receiver) -> None:
    result = says(twin, "Hi 👋")

    (hit,) = inbox.hits
    assert hit.path == "/inbound?x=1"
    assert RequestValidator(TOKEN).validate(hit.url, hit.form, hit.headers["x-twilio-signature"])
    assert (hit.form["From"], hit.form["To"], hit.form["Body"]) == (PERSON, FROM, "Hi 👋")
    assert hit.form["MessageSid"] == result["sid"]
    assert "OptOutType" not in hit.form
    assert result["status"] == 204
    assert result["answered_at"] is not None


def test_pictures_come_along_with_their_kind(twin: Twin, inbox: Receiver) -> None:
    says(twin, "Look", media=["https://shop.example/a.png", "https://shop.example/b"])

    (hit,) = inbox.hits
    assert hit.form["NumMedia"] == "2"
    assert (hit.form["MediaUrl0"], hit.form["MediaContentType0"]) == (
        "https://shop.example/a.png",
        "image/png",
    )
    assert hit.form["MediaContentType1"] == "application/octet-stream"
    assert RequestValidator(TOKEN).validate(hit.url, hit.form, hit.headers["x-twilio-signature"])


def test_it_goes_to_whoever_wrote_last(twin: Twin, inbox: Receiver) -> None:
    twin.configure(numbers=["+14155550100", "+14155550109"])
    twin.text(from_="+14155550109")

    assert says(twin, "hi")["to"] == "+14155550109"


def test_stop_blocks_until_start(twin: Twin, inbox: Receiver) -> None:
    says(twin, " stop ")
    with pytest.raises(TwilioRestException) as refusal:
        twin.text()
    twin.text("+14155550102")
    says(twin, "START")
    twin.text()

    assert refusal.value.code == 21610
    assert inbox.forms("Body") == [" stop ", "START"]


def test_a_stop_to_one_number_holds_for_its_whole_service(twin: Twin, inbox: Receiver) -> None:
    twin.configure(numbers=[], messaging_services={SERVICE: ["+14155550100", "+14155550109"]})

    says(twin, "STOP", to="+14155550100")

    for sender in ({"from_": None, "messaging_service_sid": SERVICE}, {"from_": "+14155550109"}):
        with pytest.raises(TwilioRestException) as refusal:
            twin.text(**sender)

        assert refusal.value.code == 21610
    assert inbox.forms("MessagingServiceSid") == [SERVICE]


def test_a_stop_holds_for_a_service_that_nobody_configured(twin: Twin, inbox: Receiver) -> None:
    twin.text(from_=None, messaging_service_sid=SERVICE)
    says(twin, "STOP")

    with pytest.raises(TwilioRestException) as refusal:
        twin.text(from_=None, messaging_service_sid=SERVICE)

    assert refusal.value.code == 21610


def test_the_twin_answers_keywords_itself_only_if_told(twin: Twin, inbox: Receiver) -> None:
    assert says(twin, "HELP")["replies"] == []
    twin.configure(auto_reply=True, opt_out_type=True)

    (reply,) = says(twin, "info")["replies"]

    assert inbox.forms("OptOutType") == ["", "HELP"]
    assert twin.message(to=PERSON)["body"] == reply


def test_what_the_webhook_answers_is_sent(twin: Twin, inbox: Receiver) -> None:
    inbox.script = lambda hit: (
        200,
        "<Response><Message><Body>Thanks</Body></Message></Response>",
        "text/xml",
    )

    assert says(twin, "yes")["replies"] == ["Thanks"]

    (message,) = twin.settled(to=PERSON)
    assert (message["body"], message["from"], message["status"]) == ("Thanks", FROM, "delivered")


def test_a_failing_webhook_is_asked_again_under_the_same_sid(twin: Twin, inbox: Receiver) -> None:
    inbox.answers = [500, 500]

    result = says(twin, "hi")

    assert result["status"] == 204
    assert inbox.forms("MessageSid") == [result["sid"]] * 3


def test_an_id_repeats_an_earlier_text(twin: Twin, inbox: Receiver) -> None:
    first = says(twin, "hi")

    again = says(twin, "hi", id=first["sid"])

    assert again["sid"] == first["sid"]


def test_without_a_webhook_nothing_is_sent(twin: Twin) -> None:
    assert says(twin, "hi")["status"] is None


def test_an_inbound_mail_is_a_signed_form(twin: Twin, receiver: Receiver) -> None:
    twin.configure(inbound_email_url=f"{receiver.url}/mail")

    result = twin.post(
        "inbound",
        {
            "channel": "email",
            "from": "ada@x.io",
            "to": "in@shop.example",
            "subject": "Re: Hi",
            "body": "Thanks",
        },
    )

    (hit,) = receiver.hits
    assert result["status"] == 204
    assert hit.headers["content-type"].startswith("multipart/form-data")
    assert b'name="text"\r\n\r\nThanks\r\n' in hit.body
    signature = hit.headers["x-twilio-email-event-webhook-signature"]
    timestamp = hit.headers["x-twilio-email-event-webhook-timestamp"]
    assert EventWebhook(twin.box.public_key).verify_signature(hit.body.decode(), signature, timestamp)


def test_an_unknown_channel_is_refused(twin: Twin) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        twin.post("inbound", {"channel": "pigeon", "from": PERSON})

    refusal.value.close()
    assert refusal.value.code == 400
