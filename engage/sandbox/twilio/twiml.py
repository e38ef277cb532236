"""Plays TwiML as a transcript: what was said, asked, pressed, dialled and recorded."""

from __future__ import annotations

import asyncio
import secrets
import xml.etree.ElementTree as ET  # documents with a DOCTYPE are refused before parsing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from engage.sandbox.courier import Outcome
from engage.sandbox.fates import CallFate, presses, says
from engage.sandbox.http_client import ConnectError, ReadError
from engage.sandbox.ledger import Callback, iso
from engage.sandbox.now import rfc2822, unix_now
from engage.sandbox.twilio.call_record import Call, call_fields
from engage.sandbox.twilio.hooks import Fields, overrides_of, shown_url

if TYPE_CHECKING:
    from engage.sandbox.state import Sandbox

# A script that redirects to itself for ever ends here.
MOST_DOCUMENTS = 100
DIAL_SECONDS = 20.0
RECORD_SECONDS = 5.0
CLIP_SECONDS = 3.0
MOST_LOOPS = 1_000
"""As often as the vendor says something."""


class ScriptError(Exception):
    """The script could not be fetched (11200), is not TwiML (12100) or of the wrong type (12300)."""


@dataclass(frozen=True, slots=True)
class Jump:
    """Go on with the document that this request answers with."""

    url: str
    method: str
    fields: tuple[tuple[str, str], ...]
    event: str


@dataclass(frozen=True, slots=True)
class End:
    """The call is over, in this state."""

    status: str


Next = Jump | End | None


def parse_twiml(text: bytes | str) -> ET.Element:
    """Return the `<Response>` of a document.

    Raises:
        ScriptError: it is no TwiML.
    """
    data = text.encode() if isinstance(text, str) else text
    if b"<!DOCTYPE" in data:
        raise ScriptError("12100 document type declarations are not TwiML")
    try:
        root = ET.fromstring(data)  # noqa: S314  # no DOCTYPE, so no entities
    except ET.ParseError as exc:
        raise ScriptError(f"12100 {exc}") from exc
    if root.tag != "Response":
        raise ScriptError(f"12100 the root is <{root.tag}>, not <Response>")
    return root


class Player:
    """Runs scripts for calls, with the behaviour that the called number's fate or the control route gives it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._verbs: dict[str, Callable[[Call, ET.Element, str], Awaitable[Next]]] = {
            "Say": self._say,
            "Play": self._play,
            "Pause": self._pause,
            "Gather": self._gather,
            "Record": self._record,
            "Dial": self._dial,
            "Redirect": self._redirect,
            "Hangup": self._hangup,
            "Reject": self._reject,
        }

    async def play(self, call: Call) -> str:
        """Run the call's script to its end and return the call's final status."""
        try:
            return await self._run(call)
        except (ScriptError, ValueError) as exc:
            call.note("error", str(exc))
        if call.fallback_url:
            fallback, call.fallback_url = call.fallback_url, ""
            call.twiml, call.url = "", fallback
            return await self.play(call)
        call.note("say", "We are sorry, an application error has occurred. Goodbye.")
        return "completed"

    async def _run(self, call: Call) -> str:
        if call.twiml:
            root, base = parse_twiml(call.twiml), ""
        else:
            base = call.url
            root = await self._fetch(call, Jump(call.url, call.url_method, (), "twiml"))
        for _ in range(MOST_DOCUMENTS):
            step = await self._document(call, root, base)
            if step is None:
                return "completed"
            if isinstance(step, End):
                return step.status
            base = step.url
            root = await self._fetch(call, step)
        raise ScriptError(f"12100 more than {MOST_DOCUMENTS} documents in one call")

    async def _document(self, call: Call, root: ET.Element, base: str) -> Next:
        for verb in root:
            play = self._verbs.get(verb.tag)
            if play is None:
                call.note(verb.tag.lower(), "not played by the sandbox")
                continue
            step = await play(call, verb, base)
            if step is not None:
                return step
        return None

    async def _fetch(self, call: Call, jump: Jump) -> ET.Element:
        """Ask for a document as the provider does, retries by the URL's fragment included."""
        target, _, fragment = jump.url.partition("#")
        overrides = overrides_of(fragment)
        fields = [*call_fields(call), *jump.fields]
        headers, body, target = self._sandbox.hooks.request_of(call.account_sid, target, fields, jump.method)
        record = Callback(shown_url(target), jump.event, iso(unix_now()))
        call.callbacks.append(record)
        while True:
            record.tries += 1
            try:
                answer = await self._sandbox.client.request(
                    jump.method,
                    target,
                    headers=headers,
                    body=body,
                    connect_seconds=overrides.connect_seconds,
                    read_seconds=overrides.read_seconds,
                )
                outcome = Outcome(answer.status)
            except (ConnectError, ReadError) as exc:
                answer, outcome = None, Outcome(None, "ct" if isinstance(exc, ConnectError) else "rt")
            record.answer = outcome.status
            if answer is not None and outcome.is_success:
                if "xml" not in answer.content_type:
                    raise ScriptError(f"12300 content type {answer.content_type!r}")
                return parse_twiml(answer.body)
            wait = overrides.next_wait(record.tries, outcome)
            if wait is None:
                raise ScriptError(f"11200 {shown_url(target)} answered {outcome.status or outcome.trouble}")
            await self._sandbox.clock.sleep(wait)

    async def _say(self, call: Call, verb: ET.Element, base: str) -> Next:
        text = " ".join("".join(verb.itertext()).split())
        for _ in range(min(max(int(verb.get("loop", "1")), 1), MOST_LOOPS)):
            call.note("say", text)
            await self._sandbox.clock.sleep(self._sandbox.latency.speaking(text))
        return None

    async def _play(self, call: Call, verb: ET.Element, base: str) -> Next:
        call.note("play", (verb.text or verb.get("digits") or "").strip())
        await self._sandbox.clock.sleep(self._sandbox.latency.fixed(CLIP_SECONDS))
        return None

    async def _pause(self, call: Call, verb: ET.Element, base: str) -> Next:
        seconds = float(verb.get("length", "1"))
        call.note("pause", f"{seconds:g} s")
        await self._sandbox.clock.sleep(self._sandbox.latency.fixed(seconds))
        return None

    async def _gather(self, call: Call, verb: ET.Element, base: str) -> Next:
        await self._document(call, verb, base)
        if call.fate is CallFate.HANGS_UP:
            call.note("hangup", "by the person called")
            return End("completed")
        self._fated_input(call, may_speak="speech" in verb.get("input", "dtmf"))
        if not call.keys and not call.speech:
            await self._wait_for_keys(call, self._sandbox.latency.fixed(float(verb.get("timeout", "5"))))
        fields: Fields = []
        if call.keys:
            digits = self._take_digits(call, verb)
            call.note("digits", digits)
            fields = [("Digits", digits)]
        elif call.speech and "speech" in verb.get("input", "dtmf"):
            speech, call.speech = call.speech, ""
            call.note("speech", speech)
            fields = [("SpeechResult", speech), ("Confidence", "0.9")]
        elif verb.get("actionOnEmptyResult") == "true":
            fields = [("Digits", "")]
        if not fields:
            call.note("silence", "nothing was pressed")
            return None
        return self._jump(verb.get("action", ""), verb, base, fields, "gather")

    def _fated_input(self, call: Call, *, may_speak: bool) -> None:
        config = self._sandbox.config
        if call.fate is not CallFate.ANSWERS or call.keys:
            return
        call.speech = call.speech or (may_speak and says(call.to)) or ""
        digit = presses(call.to)
        if digit is None and self._sandbox.chance.share("gather", call.to) < config.gather_share:
            digit = config.gather_digits
        call.keys.extend(digit or "")

    async def _wait_for_keys(self, call: Call, seconds: float) -> None:
        call.pressed.clear()
        pressed = asyncio.create_task(call.pressed.wait())
        silence = asyncio.create_task(self._sandbox.clock.sleep(seconds))
        try:
            await asyncio.wait({pressed, silence}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pressed.cancel()
            silence.cancel()

    def _take_digits(self, call: Call, verb: ET.Element) -> str:
        most = int(verb.get("numDigits", "0")) or len(call.keys)
        finish = verb.get("finishOnKey", "#")
        digits = ""
        while call.keys and len(digits) < most:
            key = call.keys.popleft()
            if finish and key in finish:
                break
            digits += key
        return digits

    async def _record(self, call: Call, verb: ET.Element, base: str) -> Next:
        seconds = min(RECORD_SECONDS, float(verb.get("maxLength", "3600")))
        call.note("record", f"{seconds:g} s")
        await self._sandbox.clock.sleep(self._sandbox.latency.fixed(seconds))
        call.recording_sid = "RE" + secrets.token_hex(16)
        callback = verb.get("recordingStatusCallback")
        if callback:
            self.report_recording(call, urljoin(base, callback), call.recording_sid, round(seconds))
        fields = [
            ("RecordingUrl", self.recording_url(call, call.recording_sid)),
            ("RecordingSid", call.recording_sid),
            ("RecordingDuration", str(round(seconds))),
            ("Digits", ""),
        ]
        action = verb.get("action")
        return self._jump(action, verb, base, fields, "record") if action or base else None

    async def _dial(self, call: Call, verb: ET.Element, base: str) -> Next:
        target = " ".join("".join(verb.itertext()).split())
        call.note("dial", target)
        await self._sandbox.clock.sleep(self._sandbox.latency.fixed(DIAL_SECONDS))
        action = verb.get("action")
        if not action:
            return None
        seconds = str(round(self._sandbox.latency.fixed(DIAL_SECONDS)))
        fields = [
            ("DialCallStatus", "completed"),
            ("DialCallSid", "CA" + secrets.token_hex(16)),
            ("DialCallDuration", seconds),
        ]
        return self._jump(action, verb, base, fields, "dial")

    async def _redirect(self, call: Call, verb: ET.Element, base: str) -> Next:
        call.note("redirect")
        return self._jump((verb.text or "").strip(), verb, base, [], "redirect")

    async def _hangup(self, call: Call, verb: ET.Element, base: str) -> Next:
        call.note("hangup", "by the script")
        return End("completed")

    async def _reject(self, call: Call, verb: ET.Element, base: str) -> Next:
        call.note("reject", verb.get("reason", "rejected"))
        return End("busy" if verb.get("reason") == "busy" else "no-answer")

    def _jump(self, action: str | None, verb: ET.Element, base: str, fields: Fields, event: str) -> Jump:
        url = urljoin(base, action or "") if base else action or ""
        if not url.startswith(("http://", "https://")):
            raise ScriptError(f"11100 <{verb.tag}> leads to {url!r}, which is no URL without a document URL")
        return Jump(url, verb.get("method", "POST").upper(), tuple(fields), event)

    def recording_url(self, call: Call, sid: str) -> str:
        """Return where a recording can be fetched (with `.mp3` or `.wav`)."""
        config = self._sandbox.config
        return f"http://{config.host}:{config.port}/2010-04-01/Accounts/{call.account_sid}/Recordings/{sid}"

    def report_recording(self, call: Call, url: str, sid: str, seconds: int) -> None:
        """Report that a recording is ready."""
        fields = [
            ("AccountSid", call.account_sid),
            ("CallSid", call.id),
            ("RecordingChannels", "1"),
            ("RecordingDuration", str(seconds)),
            ("RecordingSid", sid),
            ("RecordingSource", "OutboundAPI"),
            ("RecordingStartTime", rfc2822(call.accepted_at)),
            ("RecordingStatus", "completed"),
            ("RecordingUrl", self.recording_url(call, sid)),
        ]
        self._sandbox.hooks.emit(call, url, fields, "recording", last=True)
