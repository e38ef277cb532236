"""Status callbacks: signed as Twilio signs, retried as the URL's fragment asks."""

from __future__ import annotations

import socket

import pytest
from twilio.request_validator import RequestValidator

from engage.sandbox.signing import twilio_signature
from tests.sandbox.twin import TOKEN, Hit, Receiver, Twin

FORM = [("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234"), ("From", "+14158675309"), ("To", "+18005551212")]  # fmt: skip


def is_genuine(hit: Hit, token: str = TOKEN) -> bool:
    valid: bool = RequestValidator(token).validate(hit.url, hit.form, hit.headers["x-twilio-signature"])
    return valid


def test_the_published_vectors_come_out() -> None:
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"

    assert twilio_signature("12345", url, FORM) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    repeated = [("Sid", "CA123"), ("SidAccount", "AC123"), *[("Digits", d) for d in ("5678", "1234", "1234")]]
    assert twilio_signature("12345", url, repeated) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


def test_the_sdk_accepts_the_signature_over_url_without_fragment(twin: Twin, receiver: Receiver) -> None:
    twin.text(body="Grüße 👋 & more", status_callback=f"{receiver.url}/cb?ref=r%201&x=%27#rc=5&rp=all")

    twin.settled()

    assert len(receiver.hits) == 2
    for hit in receiver.hits:
        assert hit.path == "/cb?ref=r%201&x=%27"
        assert is_genuine(hit)
        assert not is_genuine(hit, "another token")
    assert twin.message()["ref"] == "r 1"


def test_the_shown_token_signs_while_none_is_configured(twin: Twin, receiver: Receiver) -> None:
    twin.configure(account_sid="", auth_token="")

    twin.text(status_callback=f"{receiver.url}/cb")

    twin.settled()
    assert all(is_genuine(hit) for hit in receiver.hits)


def test_a_500_is_not_retried_by_default(twin: Twin, receiver: Receiver) -> None:
    receiver.answers = [500]

    twin.text("+15550000000", status_callback=f"{receiver.url}/cb")

    (message,) = twin.settled()
    assert [(c["tries"], c["answer"]) for c in message["callbacks"]] == [(1, 500)]
    assert twin.get("stats")["callbacks"]["failed"] == 1


@pytest.mark.parametrize(
    ("fragment", "answers", "tries"),
    [
        ("rc=5&rp=all", [500, 404, 503], 4),
        ("rc=2&rp=all", [500, 500, 500, 500], 3),
        ("rc=5&rp=5xx", [500, 500], 3),
        ("rc=5&rp=5xx", [404], 1),
        ("rc=5&rp=4xx,5xx", [404, 503], 3),
        ("rc=0&rp=all", [500], 1),
        ("rc=9&rp=all", [500, 500], 3),
        ("rc=5", [500], 1),
        ("rc=5&rp=all", [302], 1),
    ],
)
def test_the_fragment_decides_the_retries(
    twin: Twin, receiver: Receiver, fragment: str, answers: list[int], tries: int
) -> None:
    twin.post("clock", {"speed": 100})
    receiver.answers = answers

    twin.text("+15550000000", status_callback=f"{receiver.url}/cb?ref=r1#{fragment}")

    (message,) = twin.settled()
    assert message["callbacks"][0]["tries"] == tries == len(receiver.hits)
    assert len({hit.headers["i-twilio-idempotency-token"] for hit in receiver.hits}) == 1


def test_a_refused_connection_is_tried_once_more(twin: Twin) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    twin.post("clock", {"speed": 100})

    twin.text("+15550000000", status_callback=f"http://127.0.0.1:{port}/cb")

    (message,) = twin.settled()
    assert [(c["tries"], c["answer"]) for c in message["callbacks"]] == [(2, None)]


def test_a_silent_receiver_costs_only_the_read_time_it_was_given(twin: Twin) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/cb#rt=100&rc=1&rp=rt"
        twin.post("clock", {"speed": 100})

        twin.text("+15550000000", status_callback=url)

        (message,) = twin.settled()
    assert [(c["tries"], c["answer"]) for c in message["callbacks"]] == [(2, None)]


def test_a_callback_carries_the_documented_fields(twin: Twin, receiver: Receiver) -> None:
    message = twin.text(status_callback=f"{receiver.url}/cb")

    twin.settled()

    form = next(hit.form for hit in receiver.hits if hit.form["MessageStatus"] == "delivered")
    assert form.pop("RawDlrDoneDate").isdigit()
    assert form == {
        "AccountSid": message.account_sid,
        "ApiVersion": "2010-04-01",
        "From": message.from_,
        "To": message.to,
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "MessageStatus": "delivered",
        "SmsStatus": "delivered",
    }


def test_the_record_shows_no_query(twin: Twin, receiver: Receiver) -> None:
    twin.text(status_callback=f"{receiver.url.replace('http://', 'http://user:pass@')}/cb?token=secret")

    (message,) = twin.settled()

    assert {c["url"] for c in message["callbacks"]} == {f"{receiver.url}/cb"}
    assert receiver.hits[0].headers["authorization"] == "Basic dXNlcjpwYXNz"
