"""Calls: fates, scripts played as transcripts, digits, answering machines."""

from __future__ import annotations

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Gather, VoiceResponse

from tests.sandbox.twin import FROM, PERSON, TOKEN, Hit, Json, Receiver, Twin, wait_until

HELLO = "<Response><Say>Hello  there</Say></Response>"
EVENTS = ["initiated", "ringing", "answered", "completed"]
XML = "text/xml"


def lines(message: Json) -> list[tuple[str, str]]:
    return [(line["verb"], line["text"]) for line in message["transcript"]]


def menu(action: str) -> str:
    response = VoiceResponse()
    gather = Gather(num_digits=1, action=action, timeout=6)
    gather.say("Press 1 to confirm.")
    response.append(gather)
    response.say("We will send you a message instead.")
    return str(response)


@pytest.mark.parametrize(
    ("sender", "to", "code"),
    [
        ("+15005550001", PERSON, 21212),
        ("+15005550010", PERSON, 21210),
        (FROM, "+15005550001", 21217),
        (FROM, "+15005550002", 21214),
        (FROM, "+15005550003", 21215),
        (FROM, "+15005550004", 21216),
    ],
)
def test_magic_numbers_are_refused_with_their_code(twin: Twin, sender: str, to: str, code: int) -> None:
    with pytest.raises(TwilioRestException) as refusal:
        twin.client.calls.create(to=to, from_=sender, twiml=HELLO)

    assert (refusal.value.code, refusal.value.status) == (code, 400)


def test_a_call_needs_a_script(twin: Twin) -> None:
    for script in ({}, {"twiml": "x" * 4001}, {"url": "nonsense"}):
        with pytest.raises(TwilioRestException) as refusal:
            twin.call(**script)

        assert refusal.value.code == 21205


def test_an_answered_call_speaks_its_script_and_reports_every_stage(twin: Twin, receiver: Receiver) -> None:
    call = twin.call(twiml=HELLO, status_callback=f"{receiver.url}/cb?ref=r1", status_callback_event=EVENTS)

    assert (call.sid[:2], call.status) == ("CA", "queued")
    (message,) = twin.settled(ref="r1")
    assert (message["channel"], message["body"], message["status"]) == ("voice", "Hello there", "completed")
    assert lines(message) == [("answered", ""), ("say", "Hello there"), ("ended", "completed")]
    by_sequence = sorted(receiver.hits, key=lambda hit: int(hit.form["SequenceNumber"]))
    assert [hit.form["CallStatus"] for hit in by_sequence] == [
        "initiated",
        "ringing",
        "in-progress",
        "completed",
    ]
    for hit in receiver.hits:
        assert RequestValidator(TOKEN).validate(hit.url, hit.form, hit.headers["x-twilio-signature"])
    end = by_sequence[-1].form
    assert (end["CallDuration"], end["Duration"], end["SipResponseCode"]) == ("1", "1", "200")
    assert call.fetch().status == "completed"


def test_only_the_end_is_reported_by_default(twin: Twin, receiver: Receiver) -> None:
    twin.call(twiml=HELLO, status_callback=f"{receiver.url}/cb")

    twin.settled()
    assert receiver.forms("CallStatus") == ["completed"]


@pytest.mark.parametrize(
    ("to", "status"), [("+15550010001", "busy"), ("+15550010002", "no-answer"), ("+15550010003", "failed")]
)
def test_some_numbers_never_answer(twin: Twin, receiver: Receiver, to: str, status: str) -> None:
    twin.call(to, twiml=HELLO, status_callback=f"{receiver.url}/cb")

    (message,) = twin.settled()
    assert (message["status"], message["body"]) == (status, "")
    assert receiver.forms("CallStatus") == [status]


@pytest.mark.parametrize(
    ("to", "detection", "answered_by"),
    [
        (PERSON, "Enable", "human"),
        ("+15550010004", "Enable", "machine_start"),
        ("+15550010004", "DetectMessageEnd", "machine_end_beep"),
        ("+15550010007", "DetectMessageEnd", "machine_end_silence"),
        ("+15550010005", "Enable", "fax"),
    ],
)
def test_machine_detection_tells_who_answered(
    twin: Twin, receiver: Receiver, to: str, detection: str, answered_by: str
) -> None:
    receiver.script = lambda hit: (200, HELLO, XML)

    twin.call(
        to, url=f"{receiver.url}/voice", machine_detection=detection, status_callback=f"{receiver.url}/cb"
    )

    twin.settled()
    assert [hit.form["AnsweredBy"] for hit in receiver.hits] == [answered_by, answered_by]


def test_asynchronous_detection_calls_back_while_the_call_goes_on(twin: Twin, receiver: Receiver) -> None:
    twin.configure(latencies=True, speed=100)

    twin.call(
        "+15550010004",
        twiml="<Response><Pause length='30'/></Response>",
        machine_detection="DetectMessageEnd",
        async_amd="true",
        async_amd_status_callback=f"{receiver.url}/amd",
    )

    hit = wait_until(lambda: next(iter(receiver.hits), None))
    assert hit is not None
    assert set(hit.form) == {"AccountSid", "AnsweredBy", "CallSid", "MachineDetectionDuration"}
    assert hit.form["AnsweredBy"] == "machine_end_beep"
    assert twin.message()["status"] == "in-progress"


def test_pressed_digits_go_to_the_gather_action(twin: Twin, receiver: Receiver) -> None:
    def script(hit: Hit) -> tuple[int, str, str]:
        if hit.path == "/voice":
            return 200, menu("gather?step=1"), XML
        return 200, f"<Response><Say>You pressed {hit.form['Digits']}</Say><Hangup/></Response>", XML

    receiver.script = script

    twin.call("+15550020004", url=f"{receiver.url}/voice")

    (message,) = twin.settled()
    assert message["body"] == "Press 1 to confirm.\nYou pressed 4"
    assert ("digits", "4") in lines(message)
    assert receiver.hits[1].path == "/gather?step=1"
    assert [c["event"] for c in message["callbacks"]] == ["twiml", "gather"]
    for hit in receiver.hits:
        assert RequestValidator(TOKEN).validate(hit.url, hit.form, hit.headers["x-twilio-signature"])


def test_a_person_can_press_by_the_control_route_before_or_during_the_call(
    twin: Twin, receiver: Receiver
) -> None:
    receiver.script = lambda hit: (200, HELLO, XML)
    twin.configure(latencies=True, speed=20)
    script = menu(f"{receiver.url}/gather")

    assert twin.post("inbound", {"channel": "voice", "from": PERSON, "digits": "9"}) == {"status": "kept"}
    twin.call(twiml=script)
    wait_until(lambda: receiver.forms("Digits") == ["9"])
    twin.settled()
    twin.call(twiml=script)
    wait_until(lambda: twin.messages()[-1]["status"] == "in-progress")
    assert twin.post("inbound", {"channel": "voice", "from": PERSON, "digits": "3"}) == {"status": "pressed"}

    wait_until(lambda: receiver.forms("Digits") == ["9", "3"])


def test_silence_falls_through_and_a_machine_presses_nothing(twin: Twin) -> None:
    twin.configure(gather_share=1.0)

    twin.call("+15550010004", twiml=menu("https://engage.example/gather"))

    (message,) = twin.settled()
    assert message["body"].endswith("We will send you a message instead.")


def test_a_share_of_people_presses(twin: Twin, receiver: Receiver) -> None:
    receiver.script = lambda hit: (200, HELLO, XML)
    twin.configure(gather_share=1.0, gather_digits="2")

    twin.call(twiml=menu(f"{receiver.url}/gather"))

    twin.settled()
    assert receiver.forms("Digits") == ["2"]


def test_somebody_hangs_up_in_the_menu(twin: Twin) -> None:
    twin.call("+15550010006", twiml=menu("https://engage.example/gather"))

    (message,) = twin.settled()
    assert message["status"] == "completed"
    assert lines(message)[-2:] == [("hangup", "by the person called"), ("ended", "completed")]


def test_speech_is_posted_with_its_confidence(twin: Twin, receiver: Receiver) -> None:
    receiver.script = lambda hit: (200, HELLO, XML)
    twin.post("inbound", {"channel": "voice", "from": PERSON, "body": "yes please"})
    script = f"<Response><Gather input='dtmf speech' action='{receiver.url}/gather'/></Response>"

    twin.call(twiml=script)

    twin.settled()
    assert (receiver.forms("SpeechResult"), receiver.forms("Confidence")) == (["yes please"], ["0.9"])


def test_some_numbers_speak_when_they_are_asked(twin: Twin, receiver: Receiver) -> None:
    receiver.script = lambda hit: (200, HELLO, XML)

    twin.call(
        "+15550030001",
        twiml=f"<Response><Gather input='dtmf speech' action='{receiver.url}/gather'/></Response>",
    )
    twin.call("+15550030001", twiml=f"<Response><Gather action='{receiver.url}/gather'/></Response>")

    twin.settled()
    assert receiver.forms("SpeechResult") == ["Yes, please."]


def test_a_busy_line_may_be_free_the_next_time(twin: Twin) -> None:
    for _ in range(2):
        twin.call("+15550010008", twiml=HELLO)
        twin.settled()

    assert [message["status"] for message in twin.messages()] == ["busy", "completed"]


def test_the_other_verbs_are_played(twin: Twin, receiver: Receiver) -> None:
    def script(hit: Hit) -> tuple[int, str, str]:
        documents = {
            "/voice": "<Play>https://shop.example/a.mp3</Play><Pause length='2'/><Redirect>next</Redirect>",
            "/next": "<Dial action='dialled'><Number>+14155550199</Number></Dial>",
            "/dialled": "<Record action='recorded' maxLength='3'/>",
            "/recorded": "<Enqueue>support</Enqueue><Hangup/><Say>never</Say>",
        }
        return 200, f"<Response>{documents[hit.path]}</Response>", XML

    receiver.script = script

    twin.call(url=f"{receiver.url}/voice")

    (message,) = twin.settled()
    assert [verb for verb, _ in lines(message)] == [
        "answered", "play", "pause", "redirect", "dial", "record", "enqueue", "hangup", "ended",
    ]  # fmt: skip
    assert receiver.forms("DialCallStatus") == ["", "", "completed", ""]
    recording = receiver.hits[3].form["RecordingUrl"]
    assert twin.page(recording.removeprefix(twin.url) + ".wav")[1]["content-type"] == "audio/x-wav"


def test_reject_ends_as_busy(twin: Twin) -> None:
    twin.call(twiml='<Response><Reject reason="busy"/></Response>')

    (message,) = twin.settled()
    assert message["status"] == "busy"


@pytest.mark.parametrize(
    ("status", "text", "kind", "error"),
    [
        (500, "", XML, "11200"),
        (200, "no xml", XML, "12100"),
        (200, "<Other/>", XML, "12100"),
        (200, '<!DOCTYPE x [<!ENTITY a "b">]><Response>&a;</Response>', XML, "12100"),
        (200, HELLO, "text/plain", "12300"),
    ],
)
def test_a_broken_script_is_an_application_error(
    twin: Twin, receiver: Receiver, status: int, text: str, kind: str, error: str
) -> None:
    receiver.script = lambda hit: (status, text, kind)

    twin.call(url=f"{receiver.url}/voice")

    (message,) = twin.settled()
    assert "application error" in message["body"]
    assert next(line for verb, line in lines(message) if verb == "error").startswith(error)


def test_the_fallback_url_saves_a_broken_script(twin: Twin, receiver: Receiver) -> None:
    receiver.script = lambda hit: (200, HELLO, XML) if hit.path == "/fallback" else (500, "", XML)

    twin.call(url=f"{receiver.url}/voice", fallback_url=f"{receiver.url}/fallback")

    (message,) = twin.settled()
    assert message["body"] == "Hello there"


def test_a_script_that_fails_once_is_asked_again_where_its_url_says_so(
    twin: Twin, receiver: Receiver
) -> None:
    answers = [503, 200]
    receiver.script = lambda hit: (answers.pop(0), HELLO, XML)

    twin.call(url=f"{receiver.url}/voice#rc=3&rp=all")

    (message,) = twin.settled()
    assert message["body"] == "Hello there"
    assert message["callbacks"][0]["tries"] == 2


def test_a_call_can_be_ended_canceled_and_redirected(twin: Twin, receiver: Receiver) -> None:
    twin.configure(latencies=True, speed=1, ring_seconds=0.0)
    long = "<Response><Pause length='600'/></Response>"

    call = twin.call(twiml=long)
    wait_until(lambda: call.fetch().status == "in-progress")
    call.update(twiml=HELLO)
    wait_until(lambda: twin.message()["body"] == "Hello there")
    other = twin.call("+15550010002", twiml=long, status_callback=f"{receiver.url}/cb")
    other.update(status="canceled")

    wait_until(lambda: receiver.forms("CallStatus") == ["canceled"])
    with pytest.raises(TwilioRestException) as refusal:
        other.update(status="completed")
    assert refusal.value.code == 21220


def test_a_recorded_call_reports_its_recording(twin: Twin, receiver: Receiver) -> None:
    twin.call(twiml=HELLO, record=True, recording_status_callback=f"{receiver.url}/rec")

    twin.settled()
    assert receiver.forms("RecordingStatus") == ["completed"]
    assert receiver.forms("RecordingSid")[0].startswith("RE")


def test_the_end_of_a_recorded_call_names_the_recording(twin: Twin, receiver: Receiver) -> None:
    call = twin.call(twiml=HELLO, record=True, status_callback=f"{receiver.url}/cb")

    twin.settled()
    (hit,) = receiver.hits
    assert hit.form["RecordingUrl"].endswith(
        f"/Accounts/{call.account_sid}/Recordings/{hit.form['RecordingSid']}"
    )
    path = hit.form["RecordingUrl"].removeprefix(twin.url)
    assert twin.page(f"{path}.wav")[1]["content-type"] == "audio/x-wav"


def test_calls_beyond_the_queue_are_refused(twin: Twin) -> None:
    twin.configure(enforce_rates=True, call_queue_seconds=2.0, speed=0)
    for number in range(3):
        twin.call(f"+1415555{number:04}", twiml=HELLO)

    with pytest.raises(TwilioRestException) as refusal:
        twin.call(twiml=HELLO)

    assert refusal.value.code == 22005
