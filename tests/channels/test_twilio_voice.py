"""Calls through the real Twilio SDK, and what a call says back while it lasts."""

import base64
import json
import re
import zlib
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from engage.channels.registry import ChannelSettings, build_senders, build_webhooks
from engage.channels.twilio_call_documents import CallDocuments
from engage.domain.delivery.delivery import Channel, FailReason, Mark
from engage.ports.channel import (
    Accepted,
    Heard,
    Outbound,
    Question,
    Rejected,
    Sender,
    SignedRequest,
    Taken,
    VoiceContent,
)
from tests.channels.conftest import ACCOUNT, PUBLIC, settings_for
from tests.channels.test_twilio_sms import NOW, REF, TO
from tests.channels.test_twilio_sms_webhooks import hear
from tests.channels.wire import Wire, reply

HELLO = "<Response><Say>Hello Ada</Say></Response>"


def payload(turns: dict[str, dict[str, Any]]) -> str:
    """A payload as a rendered template carries it."""
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(turns).encode())).decode().rstrip("=")


def menu(turns: dict[str, dict[str, Any]]) -> str:
    return f'<Response><Gather numDigits="1" action="engage:gather?0.{payload(turns)}"/></Response>'


@pytest.fixture
def voice(settings: ChannelSettings, wire: Wire) -> Sender:
    wire.usual = reply(201, {"sid": "CA1", "status": "queued"})
    return build_senders(settings)[Channel.VOICE]


def call(voice: Sender, wire: Wire, twiml: str = HELLO, machine: str = "off") -> dict[str, list[str]]:
    answer = voice.send(
        Outbound(
            delivery=REF,
            lane=7,
            channel=Channel.VOICE,
            to=TO,
            content=VoiceContent(twiml=twiml, machine=machine),
        )
    )
    assert answer == Accepted(provider_id="CA1")
    return wire.requests[-1].form


def test_a_call_is_created_with_its_document_and_all_progress_events(voice: Sender, wire: Wire) -> None:
    form = call(voice, wire)

    assert wire.requests[0].target == f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
    assert form == {
        "To": [TO],
        "From": ["+15005550006"],
        "Twiml": [HELLO],
        "StatusCallback": [f"{PUBLIC}/webhooks/twilio/call-status?ref={REF}&lane=7#rc=5&rp=all"],
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
    }


def test_a_machine_is_detected_in_the_background_where_nothing_depends_on_it(
    voice: Sender, wire: Wire
) -> None:
    form = call(voice, wire, machine="detect")

    assert (form["MachineDetection"], form["AsyncAmd"]) == (["Enable"], ["true"])
    assert form["AsyncAmdStatusCallback"][0].startswith(f"{PUBLIC}/webhooks/twilio/amd?ref={REF}&lane=7")


def test_a_voicemail_waits_for_the_beep_and_says_who_answered_when_it_asks(voice: Sender, wire: Wire) -> None:
    form = call(voice, wire, machine="voicemail")

    assert form["MachineDetection"] == ["DetectMessageEnd"]
    assert "AsyncAmd" not in form
    query = dict(parse_qsl(form["Url"][0].partition("#")[0].partition("?")[2]))
    fields = {"CallSid": "CA1", "AccountSid": ACCOUNT, "AnsweredBy": "machine_end_beep"}
    assert hear("twilio/voice", fields, query).twiml == HELLO


def test_it_rings_as_long_as_the_template_says(voice: Sender, wire: Wire) -> None:
    voice.send(
        Outbound(
            delivery=REF,
            lane=7,
            channel=Channel.VOICE,
            to=TO,
            content=VoiceContent(twiml=HELLO, ring_seconds=25),
        )
    )

    assert wire.requests[-1].form["Timeout"] == ["25"]


def test_where_machines_are_detected_an_answer_counts_once_it_is_known_whose(
    voice: Sender, wire: Wire
) -> None:
    form = call(voice, wire, machine="detect")
    query = dict(parse_qsl(form["StatusCallback"][0].partition("#")[0].partition("?")[2]))
    fields = {"CallSid": "CA1", "CallStatus": "in-progress", "To": TO}

    ((_, unknown),) = hear("twilio/call-status", fields, query).receipts
    ((_, known),) = hear("twilio/call-status", {**fields, "AnsweredBy": "human"}, query).receipts

    assert (unknown.mark, known.mark) == (Mark.SENT, Mark.ANSWERED)


def test_a_fax_is_hung_up_on(voice: Sender, wire: Wire) -> None:
    turns = {"human": {"twiml": HELLO}, "machine": {"twiml": HELLO}}
    twiml = f"<Response><Redirect>engage:answer?0.{payload(turns)}</Redirect></Response>"
    form = call(voice, wire, twiml, machine="detect")
    query = dict(parse_qsl(form["Url"][0].partition("#")[0].partition("?")[2]))

    heard = hear("twilio/voice", {"CallSid": "CA1", "AccountSid": ACCOUNT, "AnsweredBy": "fax"}, query)

    assert heard.twiml is not None
    assert "<Hangup/>" in heard.twiml
    assert heard.receipts[0][1].answered_by == "fax"


def test_a_document_over_twilios_limit_is_fetched_when_somebody_answers(voice: Sender, wire: Wire) -> None:
    document = f"<Response><Say>{'x' * 4000}</Say></Response>"

    form = call(voice, wire, document)

    assert "Twiml" not in form
    query = dict(parse_qsl(form["Url"][0].partition("#")[0].partition("?")[2]))
    heard = hear("twilio/voice", {"CallSid": "CA1", "AccountSid": ACCOUNT}, query)
    assert (heard.twiml, heard.receipts) == (document, ())


def test_what_no_address_can_hold_is_refused_before_the_call(voice: Sender, wire: Wire) -> None:
    words = " ".join(f"{number * 7919 % 100_003:x}" for number in range(2_000))
    long = VoiceContent(twiml=f"<Response><Say>{words}</Say></Response>")

    answer = voice.send(Outbound(delivery=REF, lane=7, channel=Channel.VOICE, to=TO, content=long))

    assert isinstance(answer, Rejected)
    assert answer.reason is FailReason.CONTENT
    assert not wire.requests


def pressed(twiml: str, digits: str, **more: str) -> Heard:
    """Press digits in a call whose document is `twiml`, as Twilio would ask us."""
    found = re.search(r'action="([^"]+)"', twiml)
    assert found
    url = found[1].replace("&amp;", "&").partition("#")[0]
    query = dict(parse_qsl(url.partition("?")[2]))
    path = url.partition("/webhooks/")[2].partition("?")[0]
    return hear(path, {"CallSid": "CA1", "AccountSid": ACCOUNT, "Digits": digits, "To": TO, **more}, query)


def test_a_pressed_digit_is_a_receipt_and_the_call_goes_on_as_the_template_says(
    voice: Sender, wire: Wire
) -> None:
    turns = {
        "1": {"twiml": "<Response><Say>Thanks Ada</Say></Response>"},
        "otherwise": {"twiml": "<Response/>"},
    }
    twiml = call(voice, wire, menu(turns))["Twiml"][0]

    heard = pressed(twiml, "1")

    (lane, receipt), *more = heard.receipts
    assert not more
    assert (lane, receipt.delivery, receipt.mark, receipt.digits) == (7, REF, Mark.DIGITS, "1")
    assert heard.twiml == "<Response><Say>Thanks Ada</Say></Response>"
    assert pressed(twiml, "5").twiml == "<Response/>"
    assert pressed(twiml, "1").receipts[0][1].receipt_id == receipt.receipt_id


def test_no_text_of_the_call_can_be_read_in_its_urls(voice: Sender, wire: Wire) -> None:
    twiml = call(voice, wire, menu({"1": {"twiml": "<Response><Say>Thanks Ada</Say></Response>"}}))["Twiml"][
        0
    ]

    then = re.findall(r"then=([^\"#]+)", twiml)[0]

    assert payload({"1": {"twiml": "<Response><Say>Thanks Ada</Say></Response>"}}) not in twiml
    assert CallDocuments(["another token"], PUBLIC).turns(then) == {}


def test_a_no_by_digit_is_heard(voice: Sender, wire: Wire) -> None:
    turns = {"9": {"twiml": "<Response/>", "unsubscribe": True}}

    heard = pressed(call(voice, wire, menu(turns))["Twiml"][0], "9")

    assert [receipt.mark for _, receipt in heard.receipts] == [Mark.DIGITS, Mark.UNSUBSCRIBED]


def test_words_choose_a_branch_and_count_as_the_digit_they_stand_for(voice: Sender, wire: Wire) -> None:
    turns: dict[str, dict[str, Any]] = {
        "1": {"twiml": "<Response><Say>Thanks</Say></Response>", "also": ["yes", "of course"]},
        "no": {"twiml": "<Response><Say>Pity</Say></Response>"},
        "otherwise": {"twiml": "<Response/>"},
    }
    twiml = call(voice, wire, menu(turns))["Twiml"][0]

    def said(text: str) -> tuple[str | None, str | None, str | None]:
        heard = pressed(twiml, "", SpeechResult=text, Confidence="0.9")
        ((_, receipt),) = heard.receipts
        assert (receipt.mark, receipt.speech) == (Mark.DIGITS, text)
        return receipt.digits, receipt.choice, heard.twiml

    assert said("Yes, please.") == ("1", "1", "<Response><Say>Thanks</Say></Response>")
    assert said("Well, of COURSE!") == ("1", "1", "<Response><Say>Thanks</Say></Response>")
    assert said("No.") == (None, "no", "<Response><Say>Pity</Say></Response>")
    assert said("Nobody knows") == (None, None, "<Response/>")


def test_a_dialled_number_decides_by_what_became_of_it(voice: Sender, wire: Wire) -> None:
    turns = {
        "no_answer": {"twiml": "<Response><Say>Nobody is there</Say></Response>"},
        "otherwise": {"twiml": "<Response/>"},
    }
    twiml = call(
        voice,
        wire,
        f'<Response><Dial action="engage:gather?0.{payload(turns)}">+15005550100</Dial></Response>',
    )["Twiml"][0]

    missed = pressed(twiml, "", DialCallStatus="no-answer")

    assert (missed.twiml, list(missed.receipts)) == ("<Response><Say>Nobody is there</Say></Response>", [])
    assert pressed(twiml, "", DialCallStatus="completed").twiml == "<Response/>"


def test_a_menu_in_a_branch_works_like_the_first_one(voice: Sender, wire: Wire) -> None:
    inner = menu({"2": {"twiml": "<Response><Say>deep</Say></Response>"}})
    first = pressed(call(voice, wire, menu({"1": {"twiml": inner}}))["Twiml"][0], "1")
    assert first.twiml is not None

    assert pressed(first.twiml, "2").twiml == "<Response><Say>deep</Say></Response>"


def test_a_handmade_document_may_gather_without_branches(voice: Sender, wire: Wire) -> None:
    twiml = call(voice, wire, '<Response><Gather action="engage:gather"/></Response>')["Twiml"][0]

    heard = pressed(twiml, "3")

    assert heard.receipts[0][1].digits == "3"
    assert heard.twiml is not None
    assert "<Hangup/>" in heard.twiml


def test_a_call_that_depends_on_who_answers_is_fetched_then(voice: Sender, wire: Wire) -> None:
    turns = {
        "human": {"twiml": "<Response><Say>Hi</Say></Response>"},
        "machine": {"twiml": "<Response><Say>Beep</Say></Response>"},
    }
    twiml = f"<Response><Redirect>engage:answer?0.{payload(turns)}</Redirect></Response>"

    form = call(voice, wire, twiml, machine="voicemail")

    assert "Twiml" not in form
    query = dict(parse_qsl(form["Url"][0].partition("#")[0].partition("?")[2]))
    base = {"CallSid": "CA1", "AccountSid": ACCOUNT}
    machine = hear("twilio/voice", {**base, "AnsweredBy": "machine_end_beep"}, query)
    assert machine.twiml == "<Response><Say>Beep</Say></Response>"
    assert machine.receipts[0][1].answered_by == "machine_end_beep"
    for who in ("human", "unknown"):
        assert (
            hear("twilio/voice", {**base, "AnsweredBy": who}, query).twiml
            == "<Response><Say>Hi</Say></Response>"
        )
    assert hear("twilio/voice", base, query).receipts == ()


@pytest.mark.parametrize("then", ["", "garbage", "gAAAAAB", "é"])
def test_a_damaged_url_hangs_up_and_still_counts_the_digits(then: str) -> None:
    heard = hear("twilio/gather", {"CallSid": "CA1", "Digits": "1"}, {"ref": REF, "lane": "7", "then": then})

    assert heard.receipts[0][1].mark == Mark.DIGITS
    assert heard.twiml is not None
    assert "<Hangup/>" in heard.twiml


def test_after_a_recording_the_call_goes_on_and_its_last_key_is_no_digit(voice: Sender, wire: Wire) -> None:
    after = payload({"otherwise": {"twiml": "<Response><Say>Bye</Say></Response>"}})
    document = f'<Response><Record action="engage:gather?0.{after}" recordingStatusCallback="engage:recording"/></Response>'
    twiml = call(voice, wire, document)["Twiml"][0]
    query = dict(parse_qsl(re.findall(r'action="[^?]+\?([^"#]+)', twiml)[0].replace("&amp;", "&")))

    heard = hear("twilio/gather", {"CallSid": "CA1", "Digits": "#", "RecordingUrl": "https://r"}, query)

    assert f'recordingStatusCallback="{PUBLIC}/webhooks/twilio/recording?ref={REF}&amp;lane=7#' in twiml
    assert heard.twiml == "<Response><Say>Bye</Say></Response>"
    assert not heard.receipts


def test_a_detected_machine_is_a_receipt() -> None:
    ((_, receipt),) = hear("twilio/amd", {"CallSid": "CA1", "AnsweredBy": "machine_start"}).receipts

    assert (receipt.mark, receipt.answered_by) == (Mark.ANSWERED, "machine_start")


def test_asking_finds_the_call(voice: Sender, wire: Wire) -> None:
    made = {"sid": "CA7", "direction": "outbound-api", "date_created": format_datetime(NOW)}
    wire.answers.append(reply(200, {"calls": [made], "next_page_uri": None}))

    answer = voice.ask(
        Question(delivery=REF, channel=Channel.VOICE, to=TO, called_at=NOW, known_ids=frozenset())
    )

    assert answer == Taken(provider_id="CA7")


def test_every_webhook_of_the_contract_is_there() -> None:
    paths = {hook.path for hook in build_webhooks(settings_for("http://127.0.0.1:1"))}

    assert paths == {
        f"twilio/{name}"
        for name in (
            "status",
            "inbound",
            "voice",
            "gather",
            "call-status",
            "amd",
            "recording",
            "tasks",
            "conversations",
            "video",
        )
    }


def test_a_webhook_without_our_signature_is_refused() -> None:
    for hook in build_webhooks(settings_for("http://127.0.0.1:1")):
        assert not hook.verify(
            SignedRequest(
                method="POST",
                url=f"{PUBLIC}/webhooks/{hook.path}",
                query={},
                headers={},
                body=b"",
                received_at=datetime(2026, 3, 1, tzinfo=UTC),
            )
        )
