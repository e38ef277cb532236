"""Status callbacks as Twilio makes them: signed, with connection overrides in the fragment, and with our faults."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from engage.sandbox.clock import Clock
from engage.sandbox.courier import Courier, Job, Outcome
from engage.sandbox.faults import Fault, FaultPlan, Struck
from engage.sandbox.http_client import Answer
from engage.sandbox.ledger import Callback, Entry
from engage.sandbox.signing import twilio_signature
from engage.sandbox.wire import is_count

Fields = list[tuple[str, str]]

# Retries follow each other after 0.5, 1, 2 … sandbox seconds; the vendor publishes no figures.
FIRST_RETRY_SECONDS = 0.5
# A callback kept back by `reorder` goes out at last even if no other ever overtakes it.
LONGEST_HOLD_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Overrides:
    """Connection overrides of a webhook URL (`#rc=5&rp=all`); defaults as published: one retry, on connect failures."""

    retries: int = 1
    on: frozenset[str] = frozenset({"ct"})
    connect_seconds: float = 5.0
    read_seconds: float = 15.0

    def next_wait(self, tries: int, outcome: Outcome) -> float | None:
        """Return the wait before the next try, None if there is none."""
        kind = f"{outcome.status // 100}xx" if outcome.status is not None else outcome.trouble
        if tries > self.retries or not ("all" in self.on or kind in self.on) or kind == "3xx":
            return None
        return float(FIRST_RETRY_SECONDS * 2 ** (tries - 1))


def _number(values: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    text = values.get(name, "")
    return min(max(int(text), least), most) if is_count(text) else default


@lru_cache(maxsize=256)
def overrides_of(fragment: str) -> Overrides:
    """Return the overrides that a URL fragment asks for; what is malformed or out of range is clamped or ignored."""
    values = dict(parse_qsl(fragment))
    total = _number(values, "tt", 15000, 100, 15000) / 1000
    policy = values.get("rp")
    return Overrides(
        retries=_number(values, "rc", 1, 0, 5),
        on=frozenset(policy.split(",")) if policy else frozenset({"ct"}),
        connect_seconds=min(_number(values, "ct", 5000, 100, 10000) / 1000, total),
        read_seconds=min(_number(values, "rt", 15000, 100, 15000) / 1000, total),
    )


def shown_url(url: str) -> str:
    """Return scheme, host and path of a URL: its query and credentials may hold secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{quote(parts.path, safe='/%:@')}"


class TwilioHooks:
    """Signs and posts Twilio's webhooks; `token_of` gives the auth token of an account."""

    def __init__(
        self, clock: Clock, courier: Courier, faults: FaultPlan, token_of: Callable[[str], str]
    ) -> None:
        self._clock = clock
        self._courier = courier
        self._faults = faults
        self._token_of = token_of

    def emit(
        self, entry: Entry, url: str, fields: Fields, event: str, *, last: bool = False, method: str = "POST"
    ) -> None:
        """Report `event` of `entry` to `url`, or what the fault plan makes of it; `last` events are not overtaken."""
        if not url:
            return
        rule = self._faults.for_callback(Struck(entry.channel, entry.to, entry.sender), can_reorder=not last)
        job = self.job(entry, url, fields, event, method=method)
        held, entry.held = entry.held, []
        job.then = held
        if rule is None:
            self._courier.post(job)
            return
        record = job.records[0]
        record.fault = rule.fault.value
        match rule.fault:
            case Fault.LOST:
                entry.held = held
            case Fault.DUPLICATE:
                self._courier.post(job)
                again = self.job(entry, url, fields, event, method=method)
                again.records[0].fault = Fault.DUPLICATE.value
                self._courier.post(again)
            case Fault.DELAY:
                self._courier.hold(job)
                self._clock.later(rule.seconds, self._courier.release, job)
            case Fault.REORDER:
                job.then = []
                entry.held = [*held, job]
                self._courier.hold(job)
                self._clock.later(LONGEST_HOLD_SECONDS, self._release_held, entry, job)
            case Fault.FORGED:
                record.fault = None
                self._forge(entry, url, fields, method)
                self._courier.post(job)
            case Fault.ODD:
                entry.callbacks.pop()  # in its place come three
                self._surround(entry, url, fields, method, event, held)
            case _:
                record.fault = None  # a fault of mail alone
                self._courier.post(job)

    def _release_held(self, entry: Entry, job: Job) -> None:
        if job in entry.held:
            entry.held.remove(job)
            self._courier.release(job)

    def _forge(self, entry: Entry, url: str, fields: Fields, method: str) -> None:
        """Send a lie under a wrong signature, as somebody would who knows the URL but not the token."""
        lies = {
            "MessageStatus": "failed",
            "SmsStatus": "failed",
            "CallStatus": "failed",
            "ErrorCode": "30005",
        }
        lying = [(name, lies.get(name, value)) for name, value in fields]
        forged = self.job(entry, url, lying, "forged", method=method, token=secrets.token_hex(16))
        forged.records[0].fault = Fault.FORGED.value
        self._courier.post(forged)

    def _surround(
        self, entry: Entry, url: str, fields: Fields, method: str, event: str, held: list[Job]
    ) -> None:
        """Send the genuine callback with parameters that nobody documents, between one of another account and one of an unknown status."""
        strange = {"MessageStatus": "teleported", "SmsStatus": "teleported", "CallStatus": "teleported"}
        more = [("ChannelMood", "sunny"), ("ErrorUrl", ""), ("Extra", "1"), ("Extra", "2")]
        foreign = [(name, "AC" + "f" * 32 if name == "AccountSid" else value) for name, value in fields]
        unknown = [(name, strange.get(name, value)) for name, value in fields]
        for name, changed in (("foreign", foreign), (event, [*fields, *more]), ("teleported", unknown)):
            job = self.job(entry, url, changed, name, method=method)
            job.records[0].fault = Fault.ODD.value
            if name == event:
                job.then = held
            self._courier.post(job)

    def job(
        self,
        entry: Entry,
        url: str,
        fields: Fields,
        event: str,
        *,
        method: str = "POST",
        token: str | None = None,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Job:
        """Return the signed delivery of these fields and note it with the entry."""
        target, _, fragment = url.partition("#")
        overrides = overrides_of(fragment)
        record = Callback(shown_url(target), event)
        entry.callbacks.append(record)
        headers, body, target = self.request_of(entry.account_sid, target, fields, method, token)
        return Job(
            url=target,
            body=body,
            headers=lambda: headers,
            records=[record],
            next_wait=overrides.next_wait,
            method=method,
            connect_seconds=overrides.connect_seconds,
            read_seconds=overrides.read_seconds,
            on_answer=on_answer,
        )

    def request_of(
        self, account_sid: str, url: str, fields: Fields, method: str, token: str | None = None
    ) -> tuple[str, bytes, str]:
        """Return header lines, body and final URL of a signed request; a GET carries its fields in the query."""
        key = self._token_of(account_sid) if token is None else token
        # The same token on every try of one callback is how a receiver tells a repeat from a new event.
        common = f"User-Agent: TwilioProxy/1.1\r\nI-Twilio-Idempotency-Token: {secrets.token_hex(16)}\r\n"
        if method == "GET":
            url += ("&" if "?" in url else "?") + urlencode(fields)
            return f"{common}X-Twilio-Signature: {twilio_signature(key, url)}\r\n", b"", url
        headers = (
            f"{common}Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
            f"X-Twilio-Signature: {twilio_signature(key, url, fields)}\r\n"
        )
        return headers, urlencode(fields).encode(), url
