"""The control routes: the record and its counters, settings, speed, forgetting."""

from __future__ import annotations

import urllib.error
from datetime import UTC, datetime

import pytest

from tests.sandbox.twin import FROM, PERSON, Receiver, Twin, wait_until

FIELDS = {
    "id", "channel", "ref", "to", "from", "subject", "body", "html", "segments", "accepted_at", "status", "callbacks",
}  # fmt: skip

MORE_OF_A_MAIL = {"headers", "categories", "attachments", "pool", "unsubscribe_group", "tracking"}


def test_the_record_has_the_named_fields(twin: Twin) -> None:
    twin.text(status_callback="https://engage.example/cb?ref=r1")
    twin.mail()

    twin.call(twiml="<Response/>")
    plain = twin.get("messages")["messages"]
    assert [set(message) for message in plain] == [FIELDS] * 3
    text, mail, call = twin.get("messages", more="1")["messages"]
    assert set(text) == FIELDS
    assert set(mail) - FIELDS == MORE_OF_A_MAIL
    assert set(call) - FIELDS == {"transcript", "answered_by"}
    accepted = datetime.fromisoformat(twin.message(ref="r1")["accepted_at"])
    assert abs((datetime.now(UTC) - accepted).total_seconds()) < 30


def test_messages_are_found_by_recipient_reference_and_channel(twin: Twin) -> None:
    twin.text(status_callback="https://engage.example/cb?ref=r1")
    twin.text("+14155550102", status_callback="https://engage.example/cb?ref=r2")
    twin.mail()

    assert [m["to"] for m in twin.messages(ref="r2")] == ["+14155550102"]
    assert [m["ref"] for m in twin.messages(to=PERSON)] == ["r1"]
    assert twin.messages(to=PERSON, ref="r2") == []
    assert [m["channel"] for m in twin.messages(channel="email")] == ["email"]
    assert len(twin.messages(limit="2")) == 2


def test_a_plus_sign_that_nobody_encoded_is_understood(twin: Twin) -> None:
    twin.text()

    text, _ = twin.page(f"/_sandbox/messages?to={PERSON}")

    assert PERSON in text


def test_counters_are_exact_and_name_what_was_accepted_twice(twin: Twin, receiver: Receiver) -> None:
    for ref in ("a", "b", "b"):
        twin.text(status_callback=f"{receiver.url}/cb?ref={ref}")
    twin.call(twiml="<Response/>")
    twin.mail()

    twin.settled()
    stats = twin.get("stats", starts="1")
    assert stats["accepted"] == {"sms": 3, "voice": 1, "email": 1, "total": 5}
    assert (stats["refs"], stats["duplicates"]) == (3, {"b": 2})
    assert stats["callbacks"] == {"sent": 6, "failed": 0, "pending": 0, "retries": 0}
    assert set(stats["max_per_second"]) == {FROM, f"voice:{FROM}", "shop@shop.example"}
    assert stats["starts"][PERSON][:3] == [m["accepted_at"] for m in twin.messages(to=PERSON, channel="sms")]
    assert "starts" not in twin.get("stats")


def test_the_oldest_are_forgotten_but_stay_counted(twin: Twin) -> None:
    twin.configure(keep=3)

    for number in range(5):
        twin.text(body=str(number), status_callback="https://engage.example/cb?ref=same")

    assert [message["body"] for message in twin.messages()] == ["2", "3", "4"]
    assert [message["body"] for message in twin.messages(ref="same")] == ["2", "3", "4"]
    assert twin.get("stats")["duplicates"] == {"same": 5}


def test_old_bodies_go_first(twin: Twin) -> None:
    twin.configure(keep_bytes=150)

    for _ in range(3):
        twin.text(body="x" * 100)

    assert [len(message["body"]) for message in twin.messages()] == [0, 0, 100]


def test_reset_forgets_all_but_settings(twin: Twin) -> None:
    twin.configure(latencies=True, speed=0.001, api_latency_ms=0)
    twin.faults({"fault": "lost"})
    twin.text()

    twin.post("reset")

    stats = twin.get("stats")
    assert (twin.messages(), stats["timers"], stats["accepted"]["total"]) == ([], 0, 0)
    assert twin.get("faults")["faults"] == []
    assert twin.get("config")["speed"] == 0.001


def test_a_stopped_clock_stops_lives_and_a_fast_one_hurries_them(twin: Twin) -> None:
    twin.configure(latencies=True, speed=0, api_latency_ms=0, delivered_seconds=600)
    twin.text()
    wait_until(lambda: twin.get("stats")["timers"] == 1)

    assert twin.message()["status"] == "queued"
    twin.post("clock", {"speed": 1_000_000})

    wait_until(lambda: twin.message()["status"] == "delivered")


def test_settings_are_shown_without_secrets(twin: Twin) -> None:
    twin.configure(auth_token="top-secret", sendgrid_api_key="SG.top-secret")

    text, _ = twin.page("/_sandbox/config")

    assert "top-secret" not in text
    assert twin.get("config")["public_key"] == twin.box.public_key


@pytest.mark.parametrize(
    "change", [{"colour": "red"}, {"speed": -1}, {"speed": "fast"}, {"port": 1}, {"open_share": 2}]
)
def test_wrong_settings_are_refused(twin: Twin, change: dict[str, object]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        twin.post("config", change)

    refusal.value.close()
    assert refusal.value.code == 400


def test_unknown_paths_answer_in_the_providers_own_words(twin: Twin) -> None:
    for path, word in (("/2010-04-01/Nothing.json", '"code":20404'), ("/v3/nothing", '"errors"')):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            twin.page(path)

        assert refusal.value.code == 404
        assert word in refusal.value.read().decode()
        refusal.value.close()
