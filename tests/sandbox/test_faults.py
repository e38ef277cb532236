"""The fault plan: each fault does what its name says, to whom it names, as often as it says."""

from __future__ import annotations

import urllib.error
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from python_http_client.exceptions import ServiceUnavailableError, TooManyRequestsError
from sendgrid.helpers.eventwebhook import EventWebhook
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.sandbox.twin import ACCOUNT, FROM, PERSON, TOKEN, Receiver, Twin, wait_until

REF = "https://engage.example/cb?ref=r1"


def test_429_refuses_before_accepting_and_says_when(twin: Twin) -> None:
    twin.faults({"channel": "sms", "fault": "429", "count": 1, "retry_after": 3})

    answer = requests.post(
        f"{twin.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
        {"To": PERSON, "From": FROM, "Body": "x"},
        auth=(ACCOUNT, TOKEN),
        timeout=5,
    )

    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (429, 20429, "3")
    assert twin.messages() == []
    twin.text()
    assert len(twin.messages()) == 1


def test_503_before_accepts_nothing_and_503_after_accepts_all_the_same(twin: Twin) -> None:
    for fault, accepted in (("503_before", 0), ("503_after", 1)):
        twin.faults({"fault": fault, "count": 1})

        with pytest.raises(TwilioRestException) as refusal:
            twin.text(status_callback=REF)

        assert (refusal.value.status, refusal.value.code) == (503, 20503)
        assert len(twin.messages(ref="r1")) == accepted


@pytest.mark.parametrize(("fault", "accepted"), [("hang_before", 0), ("hang_after", 1)])
def test_a_hanging_api_never_answers(twin: Twin, fault: str, accepted: int) -> None:
    http = TwilioHttpClient(timeout=0.3)
    client = Client(ACCOUNT, TOKEN, http_client=http)
    client.api.base_url = twin.url
    twin.faults({"fault": fault, "count": 1})

    with pytest.raises(requests.exceptions.ReadTimeout):
        client.messages.create(to=PERSON, from_=FROM, body="x")

    assert len(twin.messages()) == accepted
    assert http.session is not None
    http.session.close()


def test_a_hanging_request_is_dropped_at_last(twin: Twin) -> None:
    twin.configure(hang_seconds=0.1)
    twin.faults({"fault": "hang_before", "count": 1})

    with pytest.raises(requests.exceptions.ConnectionError):
        twin.text()


def test_reset_after_accepts_and_cuts_the_connection(twin: Twin) -> None:
    twin.faults({"fault": "reset_after", "count": 2})

    with pytest.raises(requests.exceptions.ConnectionError):
        twin.text(status_callback=REF)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        twin.mail()

    assert [message["channel"] for message in twin.messages()] == ["sms", "email"]


def test_mail_faults_look_like_the_mail_provider(twin: Twin) -> None:
    twin.faults(
        {"channel": "email", "fault": "429", "count": 1, "retry_after": 2},
        {"channel": "email", "fault": "503_after", "count": 1},
    )

    with pytest.raises(TooManyRequestsError) as busy:
        twin.mail()
    with pytest.raises(ServiceUnavailableError):
        twin.mail()

    assert busy.value.to_dict == {"errors": [{"message": "too many requests", "field": None, "help": None}]}
    assert busy.value.headers["X-RateLimit-Remaining"] == "0"
    assert len(twin.messages()) == 1


def test_a_rule_strikes_only_whom_it_names(twin: Twin) -> None:
    twin.faults({"channel": "sms", "to": "+1415555*", "fault": "503_before"})

    twin.text("+14165550101")
    twin.mail()
    with pytest.raises(TwilioRestException):
        twin.text("+14155550101")

    assert twin.get("stats")["faulted"] == {"503_before": 1}


def test_probability_strikes_a_share(twin: Twin) -> None:
    twin.faults({"fault": "503_before", "probability": 0.5})
    struck = 0

    for _ in range(60):
        try:
            twin.text()
        except TwilioRestException:
            struck += 1

    assert 10 < struck < 50


def test_lost_callbacks_never_arrive(twin: Twin, receiver: Receiver) -> None:
    twin.faults({"fault": "lost", "count": 1})

    twin.text(status_callback=f"{receiver.url}/cb")

    (message,) = twin.settled()
    assert receiver.forms() == ["delivered"]
    assert [(c["event"], c["tries"], c["fault"]) for c in message["callbacks"]] == [
        ("sent", 0, "lost"),
        ("delivered", 1, None),
    ]


def test_duplicates_arrive_twice_alike(twin: Twin, receiver: Receiver) -> None:
    twin.faults({"fault": "duplicate", "count": 1})

    twin.text(status_callback=f"{receiver.url}/cb")

    twin.settled()
    assert sorted(receiver.forms()) == ["delivered", "sent", "sent"]
    first, second = [hit for hit in receiver.hits if hit.form["MessageStatus"] == "sent"]
    assert first.body == second.body


def test_reordered_callbacks_come_after_the_next_one(twin: Twin, receiver: Receiver) -> None:
    twin.faults({"fault": "reorder"})

    twin.text(status_callback=f"{receiver.url}/cb")

    wait_until(lambda: len(receiver.hits) == 2)
    assert receiver.forms() == ["delivered", "sent"]


def test_delayed_callbacks_come_late(twin: Twin, receiver: Receiver) -> None:
    twin.post("clock", {"speed": 20})
    twin.faults({"fault": "delay", "count": 1, "seconds": 10})

    twin.text(status_callback=f"{receiver.url}/cb")

    wait_until(lambda: len(receiver.hits) == 1)
    assert receiver.forms() == ["delivered"]
    wait_until(lambda: len(receiver.hits) == 2)
    assert receiver.forms() == ["delivered", "sent"]


def test_a_forged_callback_lies_and_does_not_verify(twin: Twin, receiver: Receiver) -> None:
    twin.faults({"fault": "forged", "count": 1})

    twin.text(status_callback=f"{receiver.url}/cb")

    twin.settled()
    validator = RequestValidator(TOKEN)
    genuine = {
        hit.form["MessageStatus"]
        for hit in receiver.hits
        if validator.validate(hit.url, hit.form, hit.headers["x-twilio-signature"])
    }
    assert genuine == {"sent", "delivered"}
    assert sorted(receiver.forms()) == ["delivered", "failed", "sent"]


def test_odd_callbacks_of_texts_are_signed_and_surround_the_genuine_one(
    twin: Twin, receiver: Receiver
) -> None:
    twin.faults({"channel": "sms", "fault": "odd", "count": 1})

    twin.text(status_callback=f"{receiver.url}/cb")

    twin.settled()
    assert sorted(receiver.forms()) == ["delivered", "sent", "sent", "teleported"]
    assert sorted(receiver.forms("AccountSid")) == [ACCOUNT] * 3 + ["AC" + "f" * 32]
    assert sorted(receiver.forms("ChannelMood")) == ["", "", "", "sunny"]
    validator = RequestValidator(TOKEN)
    for hit in receiver.hits:
        form = MultiDict(parse_qsl(hit.body.decode(), keep_blank_values=True))
        assert validator.validate(hit.url, form, hit.headers["x-twilio-signature"])


class MultiDict(dict[str, list[str]]):
    """A form with repeated names, as web frameworks give it."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__()
        for name, value in pairs:
            self.setdefault(name, []).append(value)

    def getlist(self, name: str) -> list[str]:
        return self[name]


def events_of(receiver: Receiver) -> list[str]:
    return [event["event"] for event in receiver.events()]


def test_event_faults_strike_single_events(twin: Twin, receiver: Receiver) -> None:
    for fault, wanted in (
        ("lost", ["delivered"]),
        ("duplicate", ["processed", "processed", "delivered"]),
        ("reorder", ["delivered", "processed"]),
    ):
        receiver.hits.clear()
        twin.configure(event_webhook_url=f"{receiver.url}/events")
        twin.faults({"channel": "email", "fault": fault, "count": 1})

        twin.mail()

        wait_until(lambda: len(events_of(receiver)) == len(wanted))  # noqa: B023  # called within the turn
        assert events_of(receiver) == wanted


def test_a_forged_batch_does_not_verify(twin: Twin, receiver: Receiver) -> None:
    twin.configure(event_webhook_url=f"{receiver.url}/events")
    twin.faults({"channel": "email", "fault": "forged", "count": 1})

    twin.mail()

    twin.settled()
    webhook = EventWebhook(twin.box.public_key)
    verdicts: dict[str, bool] = {}
    for hit in receiver.hits:
        signature = hit.headers["x-twilio-email-event-webhook-signature"]
        timestamp = hit.headers["x-twilio-email-event-webhook-timestamp"]
        for event in hit.events:
            verdicts[event["event"]] = webhook.verify_signature(hit.body.decode(), signature, timestamp)
    assert verdicts == {"bounce": False, "processed": True, "delivered": True}


@pytest.mark.parametrize(
    "plan",
    [[{"fault": "earthquake"}], [{"channel": "pigeon", "fault": "429"}], [{"fault": "429", "who": "x"}], 7],
)
def test_an_unknown_plan_is_refused_and_the_old_one_stays(twin: Twin, plan: Any) -> None:
    twin.faults({"fault": "503_before"})

    with pytest.raises(urllib.error.HTTPError) as refusal:
        twin.post("faults", plan)

    refusal.value.close()
    assert refusal.value.code == 400
    assert [rule["fault"] for rule in twin.get("faults")["faults"]] == ["503_before"]


def test_a_new_plan_replaces_the_old_and_an_empty_one_ends_it(twin: Twin) -> None:
    twin.faults({"fault": "503_before"})
    twin.faults()

    twin.text()

    assert len(twin.messages()) == 1
