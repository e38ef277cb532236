"""What the sandbox knows of one call, and how the provider reports it."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from engage.sandbox.fates import CallFate
from engage.sandbox.ledger import Entry, Line, iso
from engage.sandbox.now import rfc2822, unix_now

ENDS = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


@dataclass(slots=True, kw_only=True, eq=False)
class Call(Entry):
    """A call, its script and what was heard; `answered_at` and `ended_at` are sandbox seconds."""

    fate: CallFate = CallFate.ANSWERS
    twiml: str = ""
    url: str = ""
    url_method: str = "POST"
    fallback_url: str = ""
    status_callback: str = ""
    status_method: str = "POST"
    status_events: frozenset[str] = frozenset({"completed"})
    ring_seconds: int = 60
    machine_detection: str = ""
    amd_callback: str = ""
    is_amd_async: bool = False
    records: bool = False
    recording_callback: str = ""
    recording_sid: str = ""
    recording_url: str = ""
    answered_by: str | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    queue_ms: int = 0
    sequence: int = 0
    sip_code: int | None = None
    keys: deque[str] = field(default_factory=deque)
    """Digits pressed and not yet gathered."""
    speech: str = ""
    pressed: asyncio.Event = field(default_factory=asyncio.Event)
    transcript: list[Line] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        return self.status in ENDS

    @property
    def seconds(self) -> int:
        """How long they talked, rounded up."""
        if self.answered_at is None or self.ended_at is None:
            return 0
        return math.ceil(max(self.ended_at - self.answered_at, 0.001))

    def note(self, verb: str, text: str = "") -> None:
        """Add a line to the transcript; spoken text is the call's body too."""
        self.transcript.append(Line(iso(unix_now()), verb, text))
        if verb == "say":
            self.body = f"{self.body}\n{text}" if self.body else text

    def drop_content(self) -> None:
        self.body = ""
        self.transcript = []

    def more(self) -> dict[str, Any]:
        """Return what was said, too."""
        return self.view() | {"transcript": self.transcript, "answered_by": self.answered_by}


def call_fields(call: Call) -> list[tuple[str, str]]:
    """Return the parameters that every request about a call carries."""
    fields = [
        ("AccountSid", call.account_sid),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", call.id),
        ("CallStatus", call.status),
        ("Called", call.to),
        ("Caller", call.sender),
        ("Direction", "outbound-api"),
        ("From", call.sender),
        ("To", call.to),
    ]
    if call.answered_by is not None and not call.is_amd_async:
        fields.append(("AnsweredBy", call.answered_by))
    return fields


def progress_fields(call: Call) -> list[tuple[str, str]]:
    """Return the parameters of a progress callback, the next in this call's sequence."""
    fields = [
        *call_fields(call),
        ("CallbackSource", "call-progress-events"),
        ("SequenceNumber", str(call.sequence)),
        ("Timestamp", rfc2822(unix_now())),
    ]
    call.sequence += 1
    if call.is_over:
        fields += [("CallDuration", str(call.seconds)), ("Duration", str(math.ceil(call.seconds / 60)))]
        if call.sip_code is not None:
            fields.append(("SipResponseCode", str(call.sip_code)))
        if call.recording_sid:
            fields += [
                ("RecordingDuration", str(call.seconds)),
                ("RecordingSid", call.recording_sid),
                ("RecordingUrl", call.recording_url),
            ]
    return fields


def resource(call: Call) -> dict[str, Any]:
    """Return the call as the API shows it."""
    uri = f"/2010-04-01/Accounts/{call.account_sid}/Calls/{call.id}"
    return {
        "sid": call.id,
        "account_sid": call.account_sid,
        "answered_by": call.answered_by,
        "api_version": "2010-04-01",
        "caller_name": None,
        "date_created": rfc2822(call.accepted_at),
        "date_updated": rfc2822(call.updated_at),
        "direction": "outbound-api",
        "duration": str(call.seconds) if call.is_over else None,
        "end_time": rfc2822(call.updated_at) if call.is_over else None,
        "forwarded_from": None,
        "from": call.sender,
        "from_formatted": call.sender,
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": None,
        "price": None,
        "price_unit": "USD",
        "queue_time": str(call.queue_ms),
        "start_time": rfc2822(call.accepted_at) if call.answered_at is not None else None,
        "status": call.status,
        "subresource_uris": {"recordings": f"{uri}/Recordings.json"},
        "to": call.to,
        "to_formatted": call.to,
        "trunk_sid": None,
        "uri": f"{uri}.json",
    }
