"""Twilio's Calls resource: creating, ringing, answering machines, and the end of a call."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict, deque
from typing import TYPE_CHECKING

from engage.sandbox.errors import Reply, twilio_error
from engage.sandbox.fates import CALL_FROM, CALL_TO, CallFate, call_fate, is_number, is_sender
from engage.sandbox.ledger import Channel
from engage.sandbox.now import unix_now
from engage.sandbox.twilio.call_record import Call, progress_fields
from engage.sandbox.twilio.messages import is_callback_url, ref_of
from engage.sandbox.twilio.twiml import Player
from engage.sandbox.wire import Form, is_count, one

if TYPE_CHECKING:
    from engage.sandbox.state import Sandbox

log = logging.getLogger(__name__)

LONGEST_TWIML = 4000
# How long detection listens: for the first words, or until the greeting's beep.
DETECT_SECONDS = {"Enable": 3.0, "DetectMessageEnd": 8.0}
END_CODES = {CallFate.BUSY: 486, CallFate.NO_ANSWER: 480, CallFate.FAILED: 404}


class Calls:
    """Accepts calls and plays each as a task on the sandbox clock."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._player = Player(sandbox)
        self._live: defaultdict[str, list[Call]] = defaultdict(list)
        self._kept_keys: dict[str, tuple[str, str]] = {}
        self._free_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def in_progress(self) -> int:
        """Number of calls that have not ended."""
        return len(self._tasks)

    def reset(self) -> None:
        """Hang up everything at once, unreported."""
        for task in self._tasks:
            task.cancel()
        self._live.clear()
        self._kept_keys.clear()
        self._free_at = 0.0

    async def stop(self) -> None:
        """Reset, and wait until all calls have ended."""
        tasks = list(self._tasks)
        self.reset()
        await asyncio.gather(*tasks, return_exceptions=True)

    def create(self, account_sid: str, form: Form, started_at: float) -> Call | Reply:
        """Accept the call of this form and start dialling, or return the refusal."""
        refusal = self._refusal(form)
        if refusal is not None:
            self._sandbox.ledger.refused[str(refusal)] += 1
            return twilio_error(refusal)
        to, callback = one(form, "To"), one(form, "StatusCallback")
        call = Call(
            id="CA" + secrets.token_hex(16),
            channel=Channel.VOICE,
            ref=ref_of(callback) or ref_of(one(form, "Url")),
            to=to,
            sender=one(form, "From"),
            body="",
            status="queued",
            accepted_at=started_at,
            updated_at=started_at,
            account_sid=account_sid,
            fate=self._fate(to),
            twiml="" if one(form, "Url") else one(form, "Twiml"),
            url=one(form, "Url"),
            url_method=(one(form, "Method") or "POST").upper(),
            fallback_url=one(form, "FallbackUrl"),
            status_callback=callback,
            status_method=(one(form, "StatusCallbackMethod") or "POST").upper(),
            status_events=frozenset(form.get("StatusCallbackEvent") or ["completed"]),
            ring_seconds=int(one(form, "Timeout") or 60),
            machine_detection=one(form, "MachineDetection"),
            is_amd_async=one(form, "AsyncAmd").lower() == "true",
            amd_callback=one(form, "AsyncAmdStatusCallback"),
            records=one(form, "Record").lower() == "true",
            recording_callback=one(form, "RecordingStatusCallback"),
        )
        self._sandbox.ledger.add(call)
        self._live[to].append(call)
        keys, call.speech = self._kept_keys.pop(to, ("", ""))
        call.keys = deque(keys)
        self._start(call, self._life(call))
        return call

    def _fate(self, to: str) -> CallFate:
        fate = call_fate(to)
        if fate is not CallFate.BUSY_ONCE:
            return fate
        called_before = any(isinstance(entry, Call) for entry in self._sandbox.ledger.find(to=to))
        return CallFate.ANSWERS if called_before else CallFate.BUSY

    def _start(self, call: Call, life: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(life)  # type: ignore[arg-type]  # a coroutine
        call.task = task
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a call ended by accident", exc_info=task.exception())

    def _refusal(self, form: Form) -> int | None:  # a table of rules, one a line
        to, sender = one(form, "To"), one(form, "From")
        if not to:
            return 21201
        if not sender:
            return 21213
        if sender in CALL_FROM:
            return CALL_FROM[sender]
        if not is_sender(sender):
            return 21212
        if not self._sandbox.owns(sender):
            return 21210
        if to in CALL_TO:
            return CALL_TO[to]
        if not is_number(to):
            return 21217
        url, twiml = one(form, "Url"), one(form, "Twiml")
        if not url and (not twiml or len(twiml) > LONGEST_TWIML):
            return 21205
        if url and not is_callback_url(url):
            return 21205
        if not is_count(one(form, "Timeout") or "60"):
            return 20001
        callback = one(form, "StatusCallback")
        if callback and not is_callback_url(callback):
            return 21609
        config = self._sandbox.config
        waits = self._free_at - self._sandbox.clock.now()
        return 22005 if config.enforce_rates and waits > config.call_queue_seconds else None

    def press(self, number: str, digits: str, speech: str) -> str:
        """Let the person at `number` press digits or speak: in the call going on, else in the next one.

        Returns:
            `pressed` or `kept`.
        """
        live = [call for call in self._live.get(number, ()) if not call.is_over]
        if not live:
            self._kept_keys[number] = (digits, speech)
            return "kept"
        live[0].keys.extend(digits)
        live[0].speech = speech or live[0].speech
        live[0].pressed.set()
        return "pressed"

    def update(self, call: Call, form: Form) -> Reply | None:
        """Cancel, complete or redirect a call; return the refusal if its state does not allow it."""
        status, url, twiml = one(form, "Status"), one(form, "Url"), one(form, "Twiml")
        if call.is_over:
            return twilio_error(21220)
        if status == "canceled" and call.status in {"queued", "ringing"}:
            self._hang_up(call, "canceled")
        elif status == "completed":
            self._hang_up(call, "completed" if call.status == "in-progress" else "canceled")
        elif (url or twiml) and call.status == "in-progress":
            if call.task is not None:
                call.task.cancel()
            call.url, call.twiml = url, "" if url else twiml
            self._start(call, self._talk(call))
        else:
            return twilio_error(21220)
        return None

    def _hang_up(self, call: Call, status: str) -> None:
        if call.task is not None:
            call.task.cancel()
        self._end(call, status)

    async def _life(self, call: Call) -> None:
        sandbox = self._sandbox
        await self._wait_in_queue(call)
        call.status = "initiated"
        self._report(call, "initiated")
        call.status = "ringing"
        self._report(call, "ringing")
        if call.fate is CallFate.NO_ANSWER:
            await sandbox.clock.sleep(sandbox.latency.fixed(call.ring_seconds))
        else:
            await sandbox.clock.sleep(sandbox.latency.draw("ring", call))
        if call.fate in END_CODES:
            call.sip_code = END_CODES[call.fate]
            self._end(call, call.fate.value)
            return
        call.status, call.answered_at, call.sip_code = "in-progress", sandbox.clock.now(), 200
        call.note("answered")
        self._report(call, "answered")
        if call.machine_detection and call.is_amd_async:
            sandbox.clock.later(self._detection_seconds(call), self._report_detection, call)
        elif call.machine_detection:
            await sandbox.clock.sleep(self._detection_seconds(call))
            self._detect(call)
        await self._talk(call)

    async def _wait_in_queue(self, call: Call) -> None:
        clock = self._sandbox.clock
        if not self._sandbox.config.enforce_rates:
            return
        wait = max(self._free_at - clock.now(), 0.0)
        self._free_at = clock.now() + wait + 1.0
        call.queue_ms = round(wait * 1000)
        await clock.sleep(wait)

    async def _talk(self, call: Call) -> None:
        status = await self._player.play(call)
        self._end(call, status)

    def _detection_seconds(self, call: Call) -> float:
        return self._sandbox.latency.fixed(DETECT_SECONDS.get(call.machine_detection, 3.0))

    def _detect(self, call: Call) -> None:
        waits = call.machine_detection == "DetectMessageEnd"
        match call.fate:
            case CallFate.MACHINE:
                call.answered_by = "machine_end_beep" if waits else "machine_start"
            case CallFate.SILENT_MACHINE:
                call.answered_by = "machine_end_silence" if waits else "machine_start"
            case CallFate.FAX:
                call.answered_by = "fax"
            case _:
                call.answered_by = "human"
        call.note("detected", call.answered_by)

    def _report_detection(self, call: Call) -> None:
        if call.is_over:
            return
        self._detect(call)
        fields = [
            ("AccountSid", call.account_sid),
            ("AnsweredBy", call.answered_by or "unknown"),
            ("CallSid", call.id),
            ("MachineDetectionDuration", str(round(DETECT_SECONDS.get(call.machine_detection, 3.0) * 1000))),
        ]
        self._sandbox.hooks.emit(call, call.amd_callback, fields, "amd", last=True)

    def _report(self, call: Call, event: str) -> None:
        call.updated_at = unix_now()
        if call.status_callback and event in call.status_events:
            label = call.status if event == "completed" else event
            self._sandbox.hooks.emit(
                call,
                call.status_callback,
                progress_fields(call),
                label,
                last=event == "completed",
                method=call.status_method,
            )

    def _end(self, call: Call, status: str) -> None:
        if call.is_over:
            return
        if call.records and call.answered_at is not None:
            call.recording_sid = call.recording_sid or "RE" + secrets.token_hex(16)
        if call.recording_sid:
            call.recording_url = self._player.recording_url(call, call.recording_sid)
        call.status, call.ended_at = status, self._sandbox.clock.now()
        call.note("ended", status)
        live = self._live.get(call.to, [])
        if call in live:
            live.remove(call)
        if not live:
            self._live.pop(call.to, None)
        if call.recording_sid and call.recording_callback:
            self._player.report_recording(call, call.recording_callback, call.recording_sid, call.seconds)
        self._report(call, "completed")
