"""Twilio's Messages through its SDK: the magic numbers, the life of a message, looking up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.sandbox.twin import ACCOUNT, FROM, PERSON, Receiver, Twin, wait_until

SERVICE = "MG" + "2" * 32


@pytest.mark.parametrize(
    ("sender", "to", "code"),
    [
        ("+15005550001", PERSON, 21212),
        ("+15005550007", PERSON, 21606),
        ("+15005550008", PERSON, 21611),
        ("+15005550010", PERSON, 21606),
        (FROM, "+15005550001", 21211),
        (FROM, "+15005550002", 21612),
        (FROM, "+15005550003", 21408),
        (FROM, "+15005550004", 21610),
        (FROM, "+15005550009", 21614),
        (FROM, "not a number", 21211),
        (FROM, FROM, 21266),
    ],
)
def test_magic_numbers_are_refused_with_their_code(twin: Twin, sender: str, to: str, code: int) -> None:
    with pytest.raises(TwilioRestException) as refusal:
        twin.text(to, from_=sender)

    assert (refusal.value.code, refusal.value.status) == (code, 400)
    assert twin.messages() == []


def test_the_valid_magic_sender_is_accepted(twin: Twin) -> None:
    message = twin.text(PERSON, from_="+15005550006")

    assert message.sid.startswith("SM")
    assert (message.status, message.num_segments, message.from_) == ("queued", "1", FROM)
    assert message.account_sid == ACCOUNT
    assert message.date_sent is None


def test_only_configured_senders_are_ours_once_any_is_configured(twin: Twin) -> None:
    twin.text(from_="+14155550199")
    twin.configure(numbers=["+14155550100"])

    twin.text(from_="+14155550100")
    with pytest.raises(TwilioRestException) as refusal:
        twin.text(from_="+14155550199")

    assert refusal.value.code == 21606


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"status_callback": "http://under_score.example/cb"}, 21609),
        ({"status_callback": "nonsense"}, 21609),
        ({"validity_period": 36001}, 21624),
        ({"validity_period": 0}, 21624),
        ({"media_url": [f"https://shop.example/{n}.png" for n in range(11)]}, 21623),
        ({"from_": None}, 21603),
        ({"send_at": datetime(2030, 1, 1, tzinfo=UTC), "schedule_type": "fixed"}, 35118),
    ],
)
def test_parameters_are_validated(twin: Twin, change: dict[str, object], code: int) -> None:
    with pytest.raises(TwilioRestException) as refusal:
        twin.text(**change)  # type: ignore[arg-type]  # a table of odd values

    assert refusal.value.code == code


def test_wrong_credentials_are_refused(twin: Twin) -> None:
    stranger = Client(ACCOUNT, "wrong", http_client=twin.client.http_client)
    stranger.api.base_url = twin.url

    with pytest.raises(TwilioRestException) as refusal:
        stranger.messages.create(to=PERSON, from_=FROM, body="x")

    assert (refusal.value.status, refusal.value.code) == (401, 20003)


def test_an_api_key_sends_in_place_of_the_account_token(twin: Twin) -> None:
    twin.configure(api_keys={"SKx": "secret"})
    client = Client("SKx", "secret", ACCOUNT, http_client=twin.client.http_client)
    client.api.base_url = twin.url

    message = client.messages.create(to=PERSON, from_=FROM, body="x")

    assert message.account_sid == ACCOUNT


def test_an_unknown_resource_is_404(twin: Twin) -> None:
    with pytest.raises(TwilioRestException) as refusal:
        twin.client.messages("SM" + "0" * 32).fetch()

    assert (refusal.value.status, refusal.value.code) == (404, 20404)


@pytest.mark.parametrize(
    ("to", "statuses", "code"),
    [
        (PERSON, ["sent", "delivered"], None),
        ("+155500030003", ["sent", "undelivered"], 30003),
        ("+155500030034", ["sent", "undelivered"], 30034),
        ("+155500030001", ["failed"], 30001),
        ("+155500063016", ["failed"], 63016),
        ("+15550000000", ["sent"], None),
        ("+15550000001", ["sent", "undelivered", "delivered"], None),
    ],
)
def test_the_number_decides_the_fate(
    twin: Twin, receiver: Receiver, to: str, statuses: list[str], code: int | None
) -> None:
    message = twin.text(to, status_callback=f"{receiver.url}/cb")

    twin.settled()
    assert sorted(receiver.forms()) == sorted(statuses)
    fetched = message.fetch()
    assert (fetched.status, fetched.error_code) == (statuses[-1], code)
    if code:
        assert str(code) in receiver.forms("ErrorCode")


def test_a_message_is_sending_between_queued_and_sent_and_nobody_is_told(
    twin: Twin, receiver: Receiver
) -> None:
    twin.configure(latencies=True, sent_seconds=100_000.0, api_latency_ms=0.0)

    message = twin.text(status_callback=f"{receiver.url}/cb")

    assert message.status == "queued"
    wait_until(lambda: message.fetch().status == "sending")
    assert message.fetch().date_sent is None
    assert receiver.hits == []
    twin.post("clock", {"speed": 1_000_000})
    twin.settled()
    assert message.fetch().status == "delivered"
    assert sorted(receiver.forms()) == ["delivered", "sent"]


def test_what_waits_for_its_senders_rate_is_queued_and_not_sending(twin: Twin) -> None:
    twin.configure(latencies=True, enforce_rates=True, sent_seconds=100_000.0, api_latency_ms=0.0)

    first, second = twin.text(body="one"), twin.text(body="x" * 600)
    third = twin.text(body="three")

    wait_until(lambda: first.fetch().status == "sending")
    assert third.fetch().status == "queued"
    assert second.num_segments == "4"


@pytest.mark.parametrize("code", [30001, 63016])
def test_what_never_leaves_is_never_sending(twin: Twin, receiver: Receiver, code: int) -> None:
    twin.configure(latencies=True, sent_seconds=3.0, api_latency_ms=0.0)

    message = twin.text(f"+1555000{code}", status_callback=f"{receiver.url}/cb")

    seen = [message.status]
    while seen[-1] != "failed":
        seen.append(message.fetch().status)
    assert set(seen) == {"queued", "failed"}


def test_a_service_accepts_first_and_picks_a_sender_of_its_pool(twin: Twin, receiver: Receiver) -> None:
    twin.configure(messaging_services={SERVICE: ["+14155550100"]})

    message = twin.text(from_=None, messaging_service_sid=SERVICE, status_callback=f"{receiver.url}/cb")

    assert (message.status, message.from_, message.messaging_service_sid) == ("accepted", None, SERVICE)
    twin.settled()
    assert sorted(receiver.forms()) == ["delivered", "queued", "sent"]
    assert set(receiver.forms("MessagingServiceSid")) == {SERVICE}
    assert twin.message()["from"] == "+14155550100"


def test_an_unknown_service_is_refused_once_services_are_configured(twin: Twin) -> None:
    twin.configure(messaging_services={SERVICE: ["+14155550100"]})

    with pytest.raises(TwilioRestException) as refusal:
        twin.text(from_=None, messaging_service_sid="MG" + "3" * 32)

    assert refusal.value.code == 21701


def test_media_makes_an_mms(twin: Twin) -> None:
    message = twin.text(media_url=["https://shop.example/a.png"])

    assert message.sid.startswith("MM")
    assert message.num_media == "1"
    assert twin.message()["channel"] == "mms"


def test_messages_are_listed_by_recipient_newest_first(twin: Twin) -> None:
    first, second = twin.text(body="one"), twin.text(body="two")
    twin.text("+14155550102")

    found = twin.client.messages.list(to=PERSON, from_=FROM)

    assert [message.sid for message in found] == [second.sid, first.sid]


def test_a_long_list_comes_in_pages(twin: Twin) -> None:
    for number in range(5):
        twin.text(body=str(number))

    found = twin.client.messages.list(to=PERSON, page_size=2)

    assert [message.body for message in found] == ["4", "3", "2", "1", "0"]


def test_a_scheduled_message_can_be_canceled(twin: Twin) -> None:
    message = twin.text(
        from_=None,
        messaging_service_sid=SERVICE,
        schedule_type="fixed",
        send_at=datetime.now(UTC) + timedelta(hours=1),
    )

    assert message.status == "scheduled"
    assert message.update(status="canceled").status == "canceled"
    with pytest.raises(TwilioRestException):
        message.update(status="canceled")


def test_a_scheduled_message_leaves_at_its_time(twin: Twin, receiver: Receiver) -> None:
    twin.configure(messaging_services={SERVICE: ["+14155550100"]})
    message = twin.text(
        from_=None,
        messaging_service_sid=SERVICE,
        schedule_type="fixed",
        send_at=datetime.now(UTC) + timedelta(minutes=20),
        status_callback=f"{receiver.url}/cb",
    )
    twin.post("clock", {"speed": 1000})
    assert message.fetch().status == "scheduled"

    twin.settled()

    assert message.fetch().status == "delivered"
    assert sorted(receiver.forms()) == ["delivered", "queued", "sent"]


def test_a_text_is_steered_into_a_status_and_the_sender_is_told(twin: Twin, receiver: Receiver) -> None:
    message = twin.text("+15550000000", status_callback=f"{receiver.url}/cb")
    twin.settled()

    twin.post("status", {"id": message.sid, "status": "failed", "code": 30001})
    twin.settled()

    assert sorted(receiver.forms()) == ["failed", "sent"]
    assert (message.fetch().status, message.fetch().error_code) == ("failed", 30001)
    with pytest.raises(HTTPError) as refused:
        twin.post("status", {"id": "SM0", "status": "failed"})
    assert refused.value.code == 400
    refused.value.close()


def test_a_body_can_be_redacted_and_a_message_deleted(twin: Twin) -> None:
    message = twin.text()

    assert message.update(body="").body == ""
    assert message.delete()
    assert twin.messages() == []
    assert twin.get("stats")["accepted"]["sms"] == 1


def test_smart_encoding_saves_a_segment(twin: Twin) -> None:
    body = "It’s " + "x" * 100

    plain, smart = twin.text(body=body), twin.text(body=body, smart_encoded=True)

    assert (plain.num_segments, smart.num_segments) == ("2", "1")


def test_whatsapp_outside_the_window_fails_by_callback(twin: Twin, receiver: Receiver) -> None:
    ours, theirs = f"whatsapp:{FROM}", f"whatsapp:{PERSON}"

    twin.text(theirs, from_=ours, status_callback=f"{receiver.url}/cb")
    twin.settled()
    twin.post("inbound", {"channel": "whatsapp", "from": PERSON, "to": ours, "body": "hi"})
    twin.text(theirs, from_=ours)

    first, second = twin.settled()
    assert receiver.forms("ErrorCode") == ["63016"]
    assert (first["status"], second["status"]) == ("failed", "read")


def test_callbacks_of_whatsapp_name_their_channel_and_event(twin: Twin, receiver: Receiver) -> None:
    content, ours = "HX" + "a" * 32, f"whatsapp:{FROM}"
    for to in (f"whatsapp:{PERSON}", "whatsapp:+155500030005"):
        twin.text(to, from_=ours, content_sid=content, status_callback=f"{receiver.url}/cb")
    twin.settled()

    told = {(hit.form["To"], hit.form["MessageStatus"]): hit.form for hit in receiver.hits}
    assert {form["ChannelPrefix"] for form in told.values()} == {"whatsapp"}
    assert {form["ChannelInstallSid"][:2] for form in told.values()} == {"XE"}
    assert {form["MessageStatus"]: form.get("EventType") for form in told.values()} == {
        "sent": None,
        "delivered": "DELIVERED",
        "read": "READ",
        "undelivered": "UNDELIVERED",
    }
    assert "30005" in told["whatsapp:+155500030005", "undelivered"]["ChannelStatusMessage"]


def test_numbers_of_ours_are_listed(twin: Twin) -> None:
    twin.configure(numbers=["+14155550100"], messaging_services={SERVICE: ["+14155550101"]})

    listed = twin.client.incoming_phone_numbers.list()

    assert [number.phone_number for number in listed] == ["+14155550100", "+14155550101"]
    assert twin.client.messaging.v1.services(SERVICE).fetch().sid == SERVICE


def test_metered_senders_queue_and_expire(twin: Twin) -> None:
    twin.configure(enforce_rates=True, speed=0)
    for _ in range(4):
        twin.text(validity_period=2)
    twin.post("clock", {"speed": 100})

    statuses = [message["status"] for message in twin.settled()]

    assert statuses == ["delivered", "delivered", "delivered", "failed"]


def test_a_sent_message_has_a_date(twin: Twin) -> None:
    message = twin.text()

    wait_until(lambda: message.fetch().status == "delivered")

    sent = message.fetch().date_sent
    assert sent is not None
    assert abs((datetime.now(UTC) - sent).total_seconds()) < 30
