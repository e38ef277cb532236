"""SendGrid's event webhook: signed batches of 1 to 500 events, retried for 24 hours, with our faults."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from engage.sandbox.courier import Job, Outcome
from engage.sandbox.faults import Fault, Struck
from engage.sandbox.ledger import Callback
from engage.sandbox.now import unix_now
from engage.sandbox.signing import EventSigner, generate_signing_key
from engage.sandbox.twilio.hooks import LONGEST_HOLD_SECONDS, shown_url

if TYPE_CHECKING:
    from engage.sandbox.sendgrid.mail import Mail
    from engage.sandbox.state import Sandbox

LARGEST_BATCH = 500
RETRY_HOURS = 24
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 600.0
SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"

FLAGS = {name: name for name in ("processed", "deferred", "delivered", "open", "click", "bounce", "dropped")}
FLAGS |= {"spamreport": "spam_report", "unsubscribe": "unsubscribe"}
FLAGS |= {name: name for name in ("group_unsubscribe", "group_resubscribe")}
"""Events, and the setting that asks for each."""

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One event on its way, and its line in the record."""

    event: Event
    record: Callback


def encode_batch(events: list[Event]) -> bytes:
    """Return the body of a batch as the provider writes it: CRLF between events and at the end."""
    return b"[" + b",\r\n".join([msgspec.json.encode(event) for event in events]) + b"]\r\n"


def next_wait(tries: int, outcome: Outcome) -> float | None:
    """Return the growing wait before a batch is sent again, None after 24 hours of trying."""
    waits = [min(FIRST_RETRY_SECONDS * 2 ** (n - 1), LONGEST_RETRY_SECONDS) for n in range(1, tries + 1)]
    return waits[-1] if sum(waits) < RETRY_HOURS * 3600 else None


@dataclass(slots=True)
class _Settings:
    """What `/v3/user/webhooks/event/settings` holds besides the URL."""

    id: str = "sandbox"
    enabled: bool = True
    friendly_name: str = ""
    wanted: dict[str, bool] = field(default_factory=dict)
    """By `FLAGS`; what is not there is wanted."""
    is_signed: bool = True


class EventStream:
    """Collects events and posts them every `event_batch_seconds` to the configured URL."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._items: list[Item] = []
        self._is_due = False
        self._forger = EventSigner(generate_signing_key()[0])
        self._lots = random.Random(sandbox.config.seed)  # noqa: S311  # lots of a test plan, not secrets
        self.settings = _Settings()

    def reset(self) -> None:
        self._items = []
        self._is_due = False
        self.settings = _Settings()

    @property
    def waiting(self) -> int:
        """Number of events not yet in a batch."""
        return len(self._items)

    def emit(self, mail: Mail, name: str, extra: Event, *, last: bool) -> None:
        """Let `name` happen to a mail and report it, or what the fault plan makes of it."""
        mail.status = "blocked" if extra.get("type") == "blocked" else name
        url = self._sandbox.config.event_webhook_url
        if not url or not self.settings.enabled or not self.settings.wanted.get(FLAGS[name], True):
            return
        item = self._item(mail, name, extra, url)
        rule = self._sandbox.faults.for_callback(
            Struck(mail.channel, mail.to, mail.sender), can_reorder=not last
        )
        held: list[Item] = mail.held
        if rule is None:
            mail.held = []
            self._add(item, *held)
            return
        item.record.fault = rule.fault.value
        match rule.fault:
            case Fault.LOST:
                pass
            case Fault.REORDER:
                mail.held = [*held, item]
                self._sandbox.clock.later(LONGEST_HOLD_SECONDS, self._release, mail, item)
            case Fault.DELAY:
                self._sandbox.clock.later(rule.seconds, self._add, item)
            case Fault.ODD:
                mail.held = []
                self._add(*self._oddities(mail, item), *held)
            case Fault.BARE:
                mail.held = []
                self._add(Item(_bare(mail, item.event), item.record), *held)
            case Fault.DUPLICATE:
                mail.held = []
                self._add(item, self._again(mail, item), *held)
            case _:
                item.record.fault = None
                mail.held = []
                self._forge(mail, item, url)
                self._add(item, *held)

    def _item(self, mail: Mail, name: str, extra: Event, url: str) -> Item:
        event: Event = {
            "email": mail.to,
            "timestamp": int(unix_now()),
            "smtp-id": f"<{mail.message_id}@ismtpd-sandbox>",
            "event": name,
        }
        is_early = name == "dropped"
        if mail.categories:
            event["category"] = mail.categories if len(mail.categories) > 1 else mail.categories[0]
        event |= {
            "sg_event_id": secrets.token_urlsafe(24),
            "sg_message_id": sg_message_id(mail, is_early=is_early),
        }
        if mail.group_id is not None:
            event["asm_group_id"] = mail.group_id
        event |= mail.arguments
        event |= extra
        record = Callback(shown_url(url), name)
        mail.callbacks.append(record)
        return Item(event, record)

    def _again(self, mail: Mail, item: Item) -> Item:
        """Return the same event once more, half the time under a new event id, as receivers have seen it."""
        event = dict(item.event)
        if self._lots.random() < 0.5:
            event["sg_event_id"] = secrets.token_urlsafe(24)
        record = Callback(item.record.url, item.record.event, fault=Fault.DUPLICATE.value)
        mail.callbacks.append(record)
        return Item(event, record)

    def _oddities(self, mail: Mail, item: Item) -> Iterator[Item]:
        """Yield the event with fields that nobody documents, among others that say nothing a receiver can use."""
        foreign = _bare(mail, item.event)
        for event in (
            {"event": item.event["event"], "timestamp": "soon", "email": ["no text"]},
            item.event | {"event": "levitated", "sg_event_id": secrets.token_urlsafe(24)},
            foreign | {"sg_message_id": "somebody-elses.filter0", "sg_event_id": secrets.token_urlsafe(24)},
        ):
            record = Callback(item.record.url, str(event["event"]), fault=Fault.ODD.value)
            mail.callbacks.append(record)
            yield Item(event, record)
        yield Item(
            item.event | {"newly_invented": {"deep": [1, None]}, "pool": {"name": "p", "id": "7"}},
            item.record,
        )

    def _forge(self, mail: Mail, item: Item, url: str) -> None:
        """Post a lie signed with a foreign key, as somebody would who knows the URL only."""
        lie = item.event | {
            "event": "bounce",
            "type": "bounce",
            "status": "5.1.1",
            "reason": "forged",
            "sg_event_id": secrets.token_urlsafe(24),
        }
        record = Callback(item.record.url, "forged", fault=Fault.FORGED.value)
        mail.callbacks.append(record)
        job = self._job([Item(lie, record)], url, self._forger)
        job.next_wait = _never_again
        self._sandbox.courier.post(job)

    def _release(self, mail: Mail, item: Item) -> None:
        if item in mail.held:
            mail.held.remove(item)
            self._add(item)

    def _add(self, *items: Item) -> None:
        self._items += items
        if not self._is_due:
            self._is_due = True
            self._sandbox.clock.later(self._sandbox.config.event_batch_seconds, self._flush)

    def _flush(self) -> None:
        self._is_due = False
        items, self._items = self._items, []
        url = self._sandbox.config.event_webhook_url
        if not url:
            return
        for start in range(0, len(items), LARGEST_BATCH):
            self._sandbox.courier.post(
                self._job(items[start : start + LARGEST_BATCH], url, self._sandbox.signer)
            )

    def post_test(self, url: str) -> None:
        """Post one event of each kind, as the provider's test button does."""
        kinds = [
            "processed",
            "deferred",
            "delivered",
            "open",
            "click",
            "bounce",
            "dropped",
            "spamreport",
            "unsubscribe",
        ]
        events = [
            {
                "email": "example@test.com",
                "timestamp": int(unix_now()),
                "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
                "event": kind,
                "category": ["cat facts"],
                "sg_event_id": secrets.token_urlsafe(24),
                "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
            }
            for kind in kinds
        ]
        items = [Item(event, Callback(shown_url(url), str(event["event"]))) for event in events]
        self._sandbox.courier.post(self._job(items, url, self._sandbox.signer))

    def _job(self, items: list[Item], url: str, signer: EventSigner) -> Job:
        body = encode_batch([item.event for item in items])

        is_signed = self.settings.is_signed

        def headers() -> str:
            timestamp = str(int(unix_now()))
            plain = "User-Agent: SendGrid Event API\r\nContent-Type: application/json;charset=utf-8\r\n"
            if not is_signed:
                return plain
            return (
                plain
                + f"{SIGNATURE_HEADER}: {signer.sign(timestamp, body)}\r\n{TIMESTAMP_HEADER}: {timestamp}\r\n"
            )

        return Job(
            url=url,
            body=body,
            headers=headers,
            records=[item.record for item in items],
            next_wait=next_wait,
            read_seconds=30.0,
        )


def _bare(mail: Mail, event: Event) -> Event:
    """Return an event without the mail's custom arguments."""
    return {name: value for name, value in event.items() if name not in mail.arguments}


def sg_message_id(mail: Mail, *, is_early: bool) -> str:
    """Return the event's message id: `X-Message-Id`, a dot, and routing parts; of an early drop, now and then, only these."""
    if is_early and mail.ordinal % 2:
        return f"filter{mail.ordinal % 10000:04}p1las1.{mail.ordinal % 7}.{int(mail.accepted_at):X}.0"
    return f"{mail.message_id}.recvd-sandbox-{mail.ordinal % 7}-{int(mail.accepted_at):X}-{mail.ordinal}.0"


def _never_again(tries: int, outcome: Outcome) -> float | None:
    return None
