"""The record of what was accepted: every message, mail and call, with each callback tried for it."""

from __future__ import annotations

import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec


class Channel(StrEnum):
    SMS = "sms"
    MMS = "mms"
    WHATSAPP = "whatsapp"
    EMAIL = "email"
    VOICE = "voice"
    CHAT = "chat"
    """A message of a conversation on its way to a phone; never in the ledger."""


class Callback(msgspec.Struct):
    """One thing reported about a message, however often it took; `answer` is the receiver's last HTTP status."""

    url: str
    event: str
    at: str | None = None
    tries: int = 0
    answer: int | None = None
    fault: str | None = None


class Line(msgspec.Struct):
    """One thing heard or done in a call."""

    at: str
    verb: str
    text: str


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """What every accepted thing has; `accepted_at` is the Unix time at which its request arrived."""

    id: str
    channel: Channel
    ref: str | None
    to: str
    sender: str
    body: str
    status: str
    accepted_at: float
    account_sid: str = ""
    subject: str | None = None
    html: str | None = None
    segments: int | None = None
    updated_at: float = 0.0
    callbacks: list[Callback] = field(default_factory=list)
    held: list[Any] = field(default_factory=list)
    """Callbacks kept back by the fault `reorder` until the next one has gone out."""
    ordinal: int = 0
    """How many were accepted for this recipient before; part of the key of every lot drawn."""

    def weigh(self) -> int:
        """Return how many characters of content this entry holds."""
        return len(self.body) + len(self.html or "")

    def drop_content(self) -> None:
        """Forget the content, keep the facts."""
        self.body = ""
        self.html = None if self.html is None else ""

    def view(self) -> dict[str, Any]:
        """Return the entry as the control route shows it."""
        return {
            "id": self.id,
            "channel": self.channel,
            "ref": self.ref,
            "to": self.to,
            "from": self.sender,
            "subject": self.subject,
            "body": self.body,
            "html": self.html,
            "segments": self.segments,
            "accepted_at": iso(self.accepted_at),
            "status": self.status,
            "callbacks": self.callbacks,
        }

    def more(self) -> dict[str, Any]:
        """Return what there is to show beside it, too."""
        return self.view()


@dataclass(slots=True)
class Pace:
    """The busiest second of one sender: most accepted and most segments within any window of one real second."""

    messages: int = 0
    segments: int = 0
    window: deque[tuple[float, int]] = field(default_factory=deque)
    running: int = 0

    def note(self, at: float, segments: int) -> None:
        self.window.append((at, segments))
        self.running += segments
        while self.window[0][0] <= at - 1.0:
            self.running -= self.window.popleft()[1]
        self.messages = max(self.messages, len(self.window))
        self.segments = max(self.segments, self.running)


class Ledger:
    """Accepted entries, newest `keep` of them in full, and counters over all of them.

    The counters (per channel, per reference, per sender, starts per recipient) are exact however much was forgotten.
    """

    def __init__(self, keep: int, keep_bytes: int) -> None:
        self.keep = keep
        self.keep_bytes = keep_bytes
        self._by_id: dict[str, Entry] = {}
        self._by_to: dict[str, list[Entry]] = {}
        self._by_ref: dict[str, list[Entry]] = {}
        self._with_content: deque[Entry] = deque()
        self._content = 0
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.faulted: Counter[str] = Counter()
        self.refs: dict[str, int] = {}
        self.starts: dict[str, array[float]] = {}
        self.paces: dict[str, Pace] = {}

    def add(self, entry: Entry, *, counts_ref: bool = True) -> None:
        """Record `entry` as accepted; `counts_ref` is false for further recipients of one and the same mail."""
        starts = self.starts.get(entry.to)
        if starts is None:
            starts = self.starts[entry.to] = array("d")
        entry.ordinal = len(starts)
        starts.append(entry.accepted_at)
        self.accepted[entry.channel] += 1
        self._by_id[entry.id] = entry
        self._by_to.setdefault(entry.to, []).append(entry)
        if entry.ref:
            self._by_ref.setdefault(entry.ref, []).append(entry)
            if counts_ref:
                self.refs[entry.ref] = self.refs.get(entry.ref, 0) + 1
        # Calls and texts of one number are limited apart.
        lane = f"voice:{entry.sender}" if entry.channel is Channel.VOICE else entry.sender
        pace = self.paces.get(lane)
        if pace is None:
            pace = self.paces[lane] = Pace()
        pace.note(time.monotonic(), entry.segments or 1)
        self._content += entry.weigh()
        self._with_content.append(entry)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        while self._content > self.keep_bytes and len(self._with_content) > 1:
            entry = self._with_content.popleft()
            self._content -= entry.weigh()
            entry.drop_content()
        while len(self._by_id) > self.keep:
            entry = self._by_id.pop(next(iter(self._by_id)))
            if self._with_content and self._with_content[0] is entry:
                self._with_content.popleft()
                self._content -= entry.weigh()
            _drop(self._by_to, entry.to, entry)
            if entry.ref:
                _drop(self._by_ref, entry.ref, entry)

    def remove(self, entry: Entry) -> None:
        """Hide an entry that the client deleted; it stays counted."""
        if self._by_id.pop(entry.id, None) is not None:
            _drop(self._by_to, entry.to, entry)
            if entry.ref:
                _drop(self._by_ref, entry.ref, entry)

    def get(self, entry_id: str) -> Entry | None:
        return self._by_id.get(entry_id)

    def find(
        self, *, to: str | None = None, ref: str | None = None, channel: str | None = None
    ) -> Iterator[Entry]:
        """Yield the kept entries that match all given keys, oldest first."""
        if ref is not None:
            entries: Iterator[Entry] = iter(self._by_ref.get(ref, ()))
        elif to is not None:
            entries = iter(self._by_to.get(to, ()))
        else:
            entries = iter(list(self._by_id.values()))
        for entry in entries:
            if (to is None or entry.to == to) and (channel is None or entry.channel == channel):
                yield entry

    def newest(self, channel: Channel | None = None) -> Iterator[Entry]:
        """Yield the kept entries, newest first."""
        for entry in reversed(list(self._by_id.values())):
            if channel is None or entry.channel is channel:
                yield entry

    def recipients(self) -> list[str]:
        """Return the recipients of kept entries, the one last written to first."""
        return sorted(self._by_to, key=lambda to: self._by_to[to][-1].accepted_at, reverse=True)

    def last_to(self, to: str) -> Entry | None:
        """Return the newest kept entry for this recipient."""
        entries = self._by_to.get(to)
        return entries[-1] if entries else None

    def duplicates(self) -> dict[str, int]:
        """Return the references that were accepted more than once, with how often."""
        return {ref: count for ref, count in self.refs.items() if count > 1}


def _drop(index: dict[str, list[Entry]], key: str, entry: Entry) -> None:
    entries = index.get(key)
    if not entries:
        return
    if entries[0] is entry:
        del entries[0]
    else:
        entries.remove(entry)
    if not entries:
        del index[key]


def iso(at: float) -> str:
    """Return a Unix time as ISO 8601 in UTC with microseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
