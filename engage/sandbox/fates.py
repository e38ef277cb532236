"""What addresses mean here: the vendor's magic numbers, and our own numbers and local parts with a fate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

# The vendor's own test numbers: https://www.twilio.com/docs/iam/test-credentials (read via the provider notes).
MESSAGE_FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
MESSAGE_TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
CALL_FROM = {"+15005550001": 21212}
CALL_TO = {"+15005550001": 21217, "+15005550002": 21214, "+15005550003": 21215, "+15005550004": 21216}
VALID_FROM = "+15005550006"
TEST_RANGE = "+1500555"

_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_SHORT_CODE = re.compile(r"\d{5,6}")
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")
_CODED = re.compile(r"\+1555000(\d{5})")
_CALLED = re.compile(r"\+1555001(\d{4})")
_PRESSES = re.compile(r"\+1555002000(\d)")
_SAYS = re.compile(r"\+1555003000([1-9])")
SAID = (
    "Yes, please.",
    "No, thank you.",
    "One.",
    "Two.",
    "Stop calling me.",
    "Tomorrow.",
    "What?",
    "Agent!",
    "Hm.",
)

# Errors after which the message never left the provider; the others are told by the carrier after `sent`.
NEVER_LEFT = frozenset({30001, 30002, 30035, 30036})


def is_number(text: str) -> bool:
    """Return whether `text` is a well-formed E.164 number."""
    return _NUMBER.fullmatch(text) is not None


def is_sender(text: str) -> bool:
    """Return whether `text` is a number, a short code or an alphanumeric sender."""
    return any(form.fullmatch(text) for form in (_NUMBER, _SHORT_CODE, _ALPHANUMERIC))


@dataclass(frozen=True, slots=True)
class Stage:
    """A status to come, after how long in the median of which kind (`sent` or `delivered`), with its error code."""

    status: str
    after: str
    code: int | None = None


LINE_TYPES = {"+1800": "tollFree", "+1888": "tollFree", "+1500": "personal", "+1555004": "landline"}


def line_type(number: str) -> str:
    """Return what kind of line a number is: `+1555004…` is a landline, which takes no texts."""
    return next((kind for start, kind in LINE_TYPES.items() if number.startswith(start)), "mobile")


READ = Stage("read", "delivered")
QUEUED = Stage("queued", "queued")
SENDING = Stage("sending", "queued")
SENT = Stage("sent", "sent")
DELIVERED = Stage("delivered", "delivered")


def message_fate(to: str) -> tuple[Stage, ...]:
    """Return what becomes of a message to this number once it is queued.

    `+1555000` and five digits fail with these digits as error code; +15550000000 never gets a receipt; +15550000001
    is reported undelivered, then delivered.
    """
    number = to.rpartition(":")[2]
    if line_type(number) == "landline":
        return (SENT, Stage("undelivered", "delivered", 30006))
    if not number.startswith("+1555000"):
        return (SENT, DELIVERED)
    if number == "+15550000000":
        return (SENT,)
    if number == "+15550000001":
        return (SENT, Stage("undelivered", "delivered", 30008), DELIVERED)
    coded = _CODED.fullmatch(number)
    if coded is None:
        return (SENT, DELIVERED)
    code = int(coded.group(1))
    if code in NEVER_LEFT or not 30000 <= code < 40000:
        return (Stage("failed", "sent", code),)
    return (SENT, Stage("undelivered", "delivered", code))


class CallFate(StrEnum):
    ANSWERS = "answers"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    MACHINE = "machine"
    FAX = "fax"
    HANGS_UP = "hangs_up"
    SILENT_MACHINE = "silent_machine"
    BUSY_ONCE = "busy_once"


CALL_FATES = {
    "0001": CallFate.BUSY,
    "0002": CallFate.NO_ANSWER,
    "0003": CallFate.FAILED,
    "0004": CallFate.MACHINE,
    "0005": CallFate.FAX,
    "0006": CallFate.HANGS_UP,
    "0007": CallFate.SILENT_MACHINE,
    "0008": CallFate.BUSY_ONCE,
}


def call_fate(to: str) -> CallFate:
    """Return how a called number behaves: `+1555001` and four digits of `CALL_FATES`; all others answer."""
    coded = _CALLED.fullmatch(to)
    return CALL_FATES.get(coded.group(1), CallFate.ANSWERS) if coded else CallFate.ANSWERS


def presses(to: str) -> str | None:
    """Return the digit that `+1555002000d` presses whenever it is asked."""
    coded = _PRESSES.fullmatch(to)
    return coded.group(1) if coded else None


def says(to: str) -> str | None:
    """Return what `+1555003000n` says whenever it is asked and may speak: the n-th of `SAID`."""
    coded = _SAYS.fullmatch(to)
    return SAID[int(coded.group(1)) - 1] if coded else None


class MailFate(StrEnum):
    ORDINARY = "ordinary"
    BOUNCE = "bounce"
    BLOCKED = "blocked"
    DEFERRED = "deferred"
    DROPPED = "dropped"
    SPAM = "spam"
    OPEN = "open"
    MACHINE_OPEN = "machineopen"
    CLICK = "click"
    UNSUBSCRIBE = "unsub"
    ONE_CLICK = "oneclick"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class MailDestiny:
    """The fate of a mail address; `detail` is the bounce status, the drop reason, or how often it is deferred."""

    fate: MailFate
    detail: str = ""


DROP_REASONS = {
    "invalid": "Invalid",
    "bounced": "Bounced Address",
    "unsubscribed": "Unsubscribed Address",
    "spam": "Spam Reporting Address",
    "content": "Spam Content",
    "header": "Invalid SMTPAPI header",
    "quota": "Recipient List over Package Quota",
}

BOUNCE_CLASSES = {
    "5.1": "Invalid Address",
    "5.2": "Mailbox Unavailable",
    "5.7": "Reputation",
    "5.6": "Content",
    "4.7": "Frequency or Volume Too High",
}

_PLAIN = {
    fate.value: MailDestiny(fate)
    for fate in (
        MailFate.BLOCKED,
        MailFate.SPAM,
        MailFate.OPEN,
        MailFate.MACHINE_OPEN,
        MailFate.CLICK,
        MailFate.UNSUBSCRIBE,
        MailFate.ONE_CLICK,
        MailFate.SLOW,
    )
}
_DEFERRED = re.compile(r"deferred([0-9]{0,2})")
_ORDINARY = MailDestiny(MailFate.ORDINARY)


def mail_fate(address: str) -> MailDestiny:
    """Return what becomes of a mail to this address; a `+tag` behind the fate's name makes more of the same kind."""
    local = address.partition("@")[0].lower()
    name, _, tag = local.partition("+")
    if name == "bounce":
        return MailDestiny(MailFate.BOUNCE, tag if re.fullmatch(r"[45]\.\d+\.\d+", tag) else "5.1.1")
    if name in _PLAIN:
        return _PLAIN[name]
    if name.startswith("dropped-") and name[8:] in DROP_REASONS:
        return MailDestiny(MailFate.DROPPED, DROP_REASONS[name[8:]])
    deferred = _DEFERRED.fullmatch(name)
    if deferred:
        return MailDestiny(MailFate.DEFERRED, deferred.group(1) or "1")
    return _ORDINARY
