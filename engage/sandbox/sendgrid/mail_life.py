"""What becomes of an accepted mail: events by the fate of its address, and the reader behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from html import unescape
from typing import TYPE_CHECKING, Any

from engage.sandbox.fates import BOUNCE_CLASSES, MailDestiny, MailFate, mail_fate
from engage.sandbox.http_client import ConnectError, ReadError
from engage.sandbox.ledger import Callback, iso
from engage.sandbox.now import unix_now
from engage.sandbox.twilio.hooks import shown_url

if TYPE_CHECKING:
    from engage.sandbox.sendgrid.mail import Mail
    from engage.sandbox.state import Sandbox

_TAG = re.compile(r"<(a|img)\b([^<>]*)", re.IGNORECASE)
_ADDRESS = {
    tag: re.compile(rf"\b{name}\s*=\s*[\"'](https?://[^\"']+)[\"']", re.IGNORECASE)
    for tag, name in (("a", "href"), ("img", "src"))
}
_ONE_CLICK = re.compile(r"<(https?://[^<>]+)>")

REACTIONS = ("open", "machine open", "click", "bounce", "block", "spam", "unsubscribe", "one-click")
SLOW_FACTOR = 10.0
DEFERRED_SECONDS = 30.0
MACHINE_OPEN_SECONDS = 1.0
PERSON_AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"
ADDRESS = "192.0.2.7"
GREETING = "250 2.0.0 OK: queued"


def addresses(html: str, tag: str) -> Iterator[tuple[str, str]]:
    """Yield where each `a` leads, or each `img` is, and what else its tag says."""
    for found in _TAG.finditer(html):
        address = _ADDRESS[tag].search(found[2]) if found[1].lower() == tag else None
        if address is not None:
            yield unescape(address[1]), found[2][: address.start()] + found[2][address.end() :]


class MailLives:
    """Schedules each mail's events; what a reader does depends on the address alone."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._readers: set[asyncio.Task[None]] = set()

    def start(self, mail: Mail) -> None:
        """Begin the life of an accepted mail."""
        destiny = mail_fate(mail.to)
        reason = self._sandbox.suppressions.drop_reason(mail.to, mail.group_id, mail.bypass)
        if reason is None and destiny.fate is MailFate.DROPPED:
            reason = destiny.detail
        delay = self._sandbox.latency.draw("processed", mail)
        if reason is not None:
            if reason == "Invalid":
                self._sandbox.suppressions.add("invalid_emails", mail.to, reason)
            self._later(delay, mail, "dropped", {"reason": reason, "status": "5.0.0"}, last=True)
            return
        self._sandbox.clock.later(delay, self._processed, mail, destiny)

    def react(self, mail: Mail, action: str) -> None:
        """Let the reader do something now, whatever the address's fate is.

        Raises:
            ValueError: no reader does that.
        """
        match action:
            case "open":
                self._opened(mail, False, False)
            case "machine open":
                self._opened(mail, True, False)
            case "click":
                self._clicked(mail)
            case "bounce":
                self._bounced(mail, "5.1.1")
            case "block":
                self._blocked(mail)
            case "spam":
                self._complained(mail)
            case "unsubscribe":
                self._unsubscribed(mail)
            case "one-click":
                self._one_click(mail)
            case _:
                raise ValueError(f"no reader can {action!r}; one of {', '.join(REACTIONS)}")

    def _later(
        self, delay: float, mail: Mail, event: str, extra: dict[str, Any], *, last: bool = False
    ) -> None:
        self._sandbox.clock.later(delay, self._happen, mail, event, extra, last)

    def _happen(self, mail: Mail, event: str, extra: dict[str, Any], last: bool) -> None:
        self._sandbox.events.emit(mail, event, extra, last=last)

    def _processed(self, mail: Mail, destiny: MailDestiny) -> None:
        self._happen(mail, "processed", {}, False)
        delay = self._sandbox.latency.draw("mail_delivered", mail)
        match destiny.fate:
            case MailFate.BOUNCE:
                self._sandbox.clock.later(delay, self._bounced, mail, destiny.detail)
            case MailFate.BLOCKED:
                self._sandbox.clock.later(delay, self._blocked, mail)
            case MailFate.DEFERRED:
                self._sandbox.clock.later(delay, self._deferred, mail, 1, int(destiny.detail))
            case MailFate.SLOW:
                self._sandbox.clock.later(delay * SLOW_FACTOR, self._delivered, mail, destiny.fate)
            case _:
                self._sandbox.clock.later(delay, self._delivered, mail, destiny.fate)

    def _bounced(self, mail: Mail, status: str) -> None:
        reason = f"550 {status} The email account that you tried to reach does not exist"
        extra = {
            "reason": reason,
            "status": status,
            "type": "bounce",
            "bounce_classification": BOUNCE_CLASSES.get(status[:3], "Unclassified"),
            "ip": ADDRESS,
            "tls": 1,
        }
        self._sandbox.suppressions.add("bounces", mail.to, reason, status)
        self._happen(mail, "bounce", extra, True)

    def _blocked(self, mail: Mail) -> None:
        reason = "554 5.7.1 Message rejected by the receiving server"
        extra = {
            "reason": reason,
            "status": "5.7.1",
            "type": "blocked",
            "bounce_classification": "Reputation",
            "ip": ADDRESS,
            "tls": 1,
        }
        self._sandbox.suppressions.add("blocks", mail.to, reason, "5.7.1")
        self._happen(mail, "bounce", extra, True)

    def _deferred(self, mail: Mail, attempt: int, most: int) -> None:
        extra = {
            "response": "450 4.2.1 The mailbox is busy, try again later",
            "attempt": str(attempt),
            "ip": ADDRESS,
            "domain": mail.to.rpartition("@")[2],
            "tls": 1,
        }
        self._happen(mail, "deferred", extra, False)
        wait = self._sandbox.latency.fixed(DEFERRED_SECONDS)
        if attempt < most:
            self._sandbox.clock.later(wait, self._deferred, mail, attempt + 1, most)
        else:
            self._sandbox.clock.later(wait, self._delivered, mail, MailFate.ORDINARY)

    def _delivered(self, mail: Mail, fate: MailFate) -> None:
        config = self._sandbox.config
        lot = self._sandbox.chance.share("engagement", mail.to)
        clicks = fate is MailFate.CLICK or (fate is MailFate.ORDINARY and lot < config.click_share)
        opens = clicks or fate is MailFate.OPEN or (fate is MailFate.ORDINARY and lot < config.open_share)
        reacts = opens or fate not in {MailFate.ORDINARY, MailFate.SLOW}
        self._happen(mail, "delivered", {"response": GREETING, "ip": ADDRESS, "tls": 1}, not reacts)
        wait = self._sandbox.latency.draw("engage", mail, "open")
        match fate:
            case MailFate.MACHINE_OPEN:
                self._sandbox.clock.later(
                    self._sandbox.latency.fixed(MACHINE_OPEN_SECONDS), self._opened, mail, True, False
                )
            case MailFate.SPAM:
                self._sandbox.clock.later(wait, self._complained, mail)
            case MailFate.UNSUBSCRIBE:
                self._sandbox.clock.later(wait, self._unsubscribed, mail)
            case MailFate.ONE_CLICK:
                self._sandbox.clock.later(wait, self._one_click, mail)
            case _ if opens:
                self._sandbox.clock.later(wait, self._opened, mail, False, clicks)
            case _:
                pass

    def _opened(self, mail: Mail, by_machine: bool, clicks: bool) -> None:
        if mail.opens_tracked:
            agent = "Mozilla/5.0" if by_machine else PERSON_AGENT
            extra = {
                "useragent": agent,
                "ip": ADDRESS,
                "sg_machine_open": by_machine,
                "sg_content_type": "html",
            }
            self._happen(mail, "open", extra, not clicks)
        else:
            for url, _ in addresses(mail.html or "", "img"):
                self._fetch(mail, "GET", url, "image")
        if clicks:
            wait = self._sandbox.latency.draw("engage", mail, "click")
            self._sandbox.clock.later(wait, self._clicked, mail)

    def _clicked(self, mail: Mail) -> None:
        link = mail.link
        if link is None:
            return
        if not mail.clicks_tracked:
            self._fetch(mail, "GET", link, "link")
            return
        extra = {
            "url": link,
            "url_offset": {"index": 0, "type": "html"},
            "useragent": PERSON_AGENT,
            "ip": ADDRESS,
        }
        self._happen(mail, "click", extra, True)

    def _complained(self, mail: Mail) -> None:
        self._sandbox.suppressions.add("spam_reports", mail.to)
        self._happen(mail, "spamreport", {}, True)

    def _unsubscribed(self, mail: Mail) -> None:
        group = self._sandbox.suppressions.groups.get(mail.group_id) if mail.group_id is not None else None
        if group is not None:
            group.emails[mail.to.lower()] = int(unix_now())
            extra = {"asm_group_id": group.id, "useragent": PERSON_AGENT, "ip": ADDRESS, "url": ""}
            self._happen(mail, "group_unsubscribe", extra, True)
            return
        self._sandbox.suppressions.unsubscribe(mail.to)
        self._happen(mail, "unsubscribe", {}, True)

    def _one_click(self, mail: Mail) -> None:
        """Press the mailbox's own unsubscribe button (RFC 8058), where the mail offers it."""
        headers = {name.lower(): value for name, value in mail.headers.items()}
        urls = _ONE_CLICK.findall(headers.get("list-unsubscribe", ""))
        if urls and headers.get("list-unsubscribe-post") == "List-Unsubscribe=One-Click":
            self._fetch(mail, "POST", urls[0], "one_click", b"List-Unsubscribe=One-Click")

    def _fetch(self, mail: Mail, method: str, url: str, event: str, body: bytes = b"") -> None:
        if not self._sandbox.config.reader_fetches:
            return
        task = asyncio.get_running_loop().create_task(self._visit(mail, method, url, event, body))
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _visit(self, mail: Mail, method: str, url: str, event: str, body: bytes) -> None:
        record = Callback(shown_url(url), event, iso(unix_now()), tries=1)
        mail.callbacks.append(record)
        headers = f"User-Agent: {PERSON_AGENT}\r\n"
        if body:
            headers += "Content-Type: application/x-www-form-urlencoded\r\n"
        try:
            answer = await self._sandbox.client.request(method, url, headers=headers, body=body)
        except (ConnectError, ReadError):
            return
        record.answer = answer.status
