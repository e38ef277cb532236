"""How a call goes, as Twilio tells it: progress, its end, recordings."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from engage.domain.delivery.delivery import Mark
from engage.domain.fact import encode
from engage.ports.channel import Heard
from tests.channels.test_twilio_sms import NOW, TO
from tests.channels.test_twilio_sms_webhooks import hear


def progress(word: str, **more: str) -> Heard:
    return hear("twilio/call-status", {"CallSid": "CA1", "CallStatus": word, "To": TO, **more})


@pytest.mark.parametrize(
    ("word", "mark"),
    [
        ("queued", Mark.ACCEPTED),
        ("initiated", Mark.SENT),
        ("ringing", Mark.SENT),
        ("in-progress", Mark.ANSWERED),
        ("completed", Mark.COMPLETED),
        ("busy", Mark.BUSY),
        ("no-answer", Mark.NO_ANSWER),
        ("failed", Mark.FAILED),
        ("canceled", Mark.CANCELED),
    ],
)
def test_every_call_status_has_its_mark(word: str, mark: Mark) -> None:
    ((lane, receipt),) = progress(word).receipts

    assert (lane, receipt.mark, receipt.provider_id) == (7, mark, "CA1")
    assert encode(receipt)


def test_the_end_of_a_call_has_its_time_its_duration_and_who_answered() -> None:
    ended = NOW - timedelta(seconds=90)

    ((_, receipt),) = progress(
        "completed", CallDuration="42", AnsweredBy="human", Timestamp=format_datetime(ended)
    ).receipts

    assert (receipt.at, receipt.duration, receipt.answered_by) == (ended, 42, "human")


@pytest.mark.parametrize(
    "stamp", ["", "yesterday", format_datetime(NOW + timedelta(days=1)), "Sun, 01 Mar 2026 11:00:00 +9999"]
)
def test_an_odd_or_future_time_is_when_we_got_it(stamp: str) -> None:
    assert progress("busy", Timestamp=stamp).receipts[0][1].at == NOW


def test_a_failed_call_has_a_reason() -> None:
    ((_, receipt),) = progress("failed", SipResponseCode="404").receipts

    assert (receipt.reason, receipt.code, receipt.hard) == ("provider_error", "404", False)


def test_a_recording_is_a_voicemail() -> None:
    fields = {
        "CallSid": "CA1",
        "RecordingSid": "RE1",
        "RecordingUrl": "https://r/RE1",
        "RecordingDuration": "7",
    }

    ((_, receipt),) = hear("twilio/recording", fields).receipts

    assert (receipt.mark, receipt.url, receipt.duration) == (Mark.VOICEMAIL, "https://r/RE1", 7)
