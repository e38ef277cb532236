"""Twilio's error codes as data: what each means for the delivery, at once or by callback.

Codes change and split (Twilio's change log asks not to hard-wire them), so that everything unlisted falls to its HTTP
status class. Texts of Twilio never leave this file: they quote phone numbers.
Source: Twilio's error dictionary, as collected in the provider notes, read 2026.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import structlog

from engage.domain.delivery.daily_cap import DailyCap
from engage.domain.delivery.delivery import FailReason
from engage.ports.channel import Answer, Busy, Rejected, Unknown

log = structlog.get_logger(__name__)


class ErrorClass(StrEnum):
    """What a code says; the value is said in the delivery's detail."""

    OPTED_OUT = "the person opted out at Twilio (STOP)"
    INVALID = "this address can never be reached on this channel"
    BLOCKED = "the recipient or carrier blocks us"
    SOFT = "the recipient could not be reached now"
    ROUTE = "this sender cannot reach this recipient"
    BUSY = "too many requests or a full queue; not taken"
    CAPPED = "a day's allowance is used up; not taken"
    TROUBLE = "trouble at Twilio or the carrier"
    CONTENT = "the content was refused"
    SESSION = "outside the 24-hour window only an approved template may be sent"
    TEMPLATE = "the approved template is missing, paused or filled wrongly"
    CONFIG = "the account, sender or permission is not set up for this"
    UNREGISTERED = "this sender is not registered with the carriers"


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorRow:
    """One row of the table: some codes, and what is done about them."""

    reason: FailReason
    codes: tuple[int, ...]
    action: str
    """What we do, for the reader of the table; the flags below are what the code does."""
    suppresses: bool = False
    """The address is not written to again on this channel."""
    is_a_no: bool = False
    """As if the person had written STOP."""
    is_repeated: bool = False
    """Refused before it was taken: called again with a growing pause."""
    is_unknown: bool = False
    """It may have been taken: settled by callback or by asking, then repeated if it was not."""
    is_ours: bool = False
    """The set-up is at fault and no recipient: it is logged as an error, because somebody must mend it."""


ERRORS: dict[ErrorClass, ErrorRow] = {
    ErrorClass.OPTED_OUT: ErrorRow(
        reason=FailReason.BLOCKED,
        codes=(21610,),
        action="close the whole channel to this address until START",
        is_a_no=True,
    ),
    ErrorClass.INVALID: ErrorRow(
        reason=FailReason.INVALID_ADDRESS,
        codes=(
            *(21211, 21214, 21216, 21217, 21265, 21614, 21635),
            *(30005, 30006, 63003, 63024),
        ),
        action="suppress the address on this channel; the journey may try another",
        suppresses=True,
    ),
    ErrorClass.BLOCKED: ErrorRow(
        reason=FailReason.BLOCKED,
        codes=(30004, 63032, 63033),
        action="fail; the journey may try another channel",
    ),
    ErrorClass.SOFT: ErrorRow(
        reason=FailReason.PROVIDER_ERROR,
        codes=(30003, 30008, 30036, 30410),
        action="fail; a later try may succeed, which is the journey's to decide; after three in a row suppress the address",
    ),
    ErrorClass.ROUTE: ErrorRow(
        reason=FailReason.CONFIG,
        codes=(21612, 30011, 30024),
        action="fail; never the same pair again: another sender or format",
    ),
    ErrorClass.BUSY: ErrorRow(
        reason=FailReason.PROVIDER_ERROR,
        codes=(
            *(14107, 20429, 21611, 22005, 30001, 30017, 30022),
            *(60202, 60203, 60212, 63017, 63018),
        ),
        action="call again with a growing pause, or when Retry-After says; the sender goes slower for a while",
        is_repeated=True,
    ),
    ErrorClass.CAPPED: ErrorRow(
        reason=FailReason.PROVIDER_ERROR,
        codes=(30023, 30027, 63038),
        action="wait until the cap renews: midnight in Los Angeles for the carriers', 24 hours for the account's; told later, ask once more then",
        is_repeated=True,
    ),
    ErrorClass.TROUBLE: ErrorRow(
        reason=FailReason.PROVIDER_ERROR,
        codes=(20500, 20503, 30020, 30021, 63009, 63010, 63012),
        action="settle the outcome, then call again if it was not taken",
        is_unknown=True,
    ),
    ErrorClass.CONTENT: ErrorRow(
        reason=FailReason.CONTENT,
        codes=(
            *(11100, 11200, 11751, 12100, 12300, 13224, 13227),
            *(21205, 21617, 21619, 21620, 21623, 21624),
            *(30007, 30019, 30450, 30610, 30640),
            *(63005, 63013, 63019, 63021, 63034),
        ),
        action="fail; never again as it is: mend the template",
    ),
    ErrorClass.SESSION: ErrorRow(
        reason=FailReason.CONTENT,
        codes=(63016,),
        action="send the approved template instead, once",
    ),
    ErrorClass.TEMPLATE: ErrorRow(
        reason=FailReason.CONTENT,
        codes=(21654, 21655, 21656, 63027, 63028, 63040, 63041, 63042),
        action="fail; have the approved template mended",
        is_ours=True,
    ),
    ErrorClass.CONFIG: ErrorRow(
        reason=FailReason.CONFIG,
        codes=(
            *(20003, 20005, 20404, 21201, 21210, 21212, 21213, 21215, 21219, 21220, 21408),
            *(21602, 21603, 21604, 21606, 21608, 21609, 21621, 21622, 21659, 21660, 21661),
            *(21701, 21702, 21703, 21704, 21705, 30002),
            *(63001, 63007, 63008, 63020, 63051),
        ),
        action="fail; mend the account, sender or permission",
        is_ours=True,
    ),
    ErrorClass.UNREGISTERED: ErrorRow(
        reason=FailReason.CONFIG,
        codes=(30032, 30033, 30034, 30035),
        action="fail; register this sender with the carriers",
        is_ours=True,
    ),
}
_CAPS = {30023: DailyCap.CARRIERS_DAY, 30027: DailyCap.CARRIERS_DAY, 63038: DailyCap.ROLLING_DAY}
_CLASS_OF = {code: kind for kind, row in ERRORS.items() for code in row.codes}


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """What an error code in a callback says about a delivery that had been taken."""

    reason: FailReason
    permanent: bool
    """The address itself is at fault for good."""
    opted_out: bool
    soft: bool = False
    """The address may be reached another time."""
    slows: bool = False
    """The sender goes too fast."""
    needs_template: bool = False
    """Only an approved template may be sent to this person now."""
    cap: DailyCap | None = None
    """A day's allowance is used up."""


def failure(code: str | None) -> Failure:
    """Return the meaning of the `ErrorCode` of a callback; unknown and missing codes are the provider's error."""
    kind = _CLASS_OF.get(int(code)) if code and code.isascii() and code.isdigit() and len(code) < 9 else None
    if kind is None:
        _tell_unknown(code)
        return Failure(reason=FailReason.PROVIDER_ERROR, permanent=False, opted_out=False)
    row = ERRORS[kind]
    _tell(kind, str(code))
    return Failure(
        reason=row.reason,
        permanent=row.suppresses,
        opted_out=row.is_a_no,
        soft=kind is ErrorClass.SOFT,
        slows=row.is_repeated,
        needs_template=kind is ErrorClass.SESSION,
        cap=_CAPS.get(int(str(code))),
    )


def answer_to_error(status: int, code: object, wait: timedelta | None) -> Answer:
    """Return what an error answer to a create request means for the delivery.

    A 5xx leaves the outcome unknown whatever its code; a 429 is never processed (Twilio, error 20429).
    """
    number = code if isinstance(code, int) and code != status else None
    text = str(number or status)
    kind = _CLASS_OF.get(number) if number is not None else None
    row = None if kind is None else ERRORS[kind]
    if status >= 500 or status == 408 or (row is not None and row.is_unknown and status != 429):
        return Unknown(code=text, detail="Twilio failed while it had the request")
    if status == 429 or (row is not None and row.is_repeated):
        cap = None if number is None else _CAPS.get(number)
        meaning = ErrorClass.BUSY if cap is None else ErrorClass.CAPPED
        return Busy(retry_after=wait, code=text, slows=True, cap=cap, detail=meaning.value)
    if kind is None and number is not None:
        _tell_unknown(text)
    kind = kind or _by_status(status)
    _tell(kind, text)
    return Rejected(
        reason=ERRORS[kind].reason,
        code=text,
        suppress=ERRORS[kind].suppresses,
        opt_out=ERRORS[kind].is_a_no,
        detail=kind.value,
    )


def _tell(kind: ErrorClass, code: str) -> None:
    """Log what somebody must mend; never whom it was about."""
    if ERRORS[kind].is_ours:
        log.error("twilio.set_up", code=code, meaning=kind.value, action=ERRORS[kind].action)


def _tell_unknown(code: str | None) -> None:
    """Log a code that the table lacks, so that somebody adds it: until then its class is the one of its HTTP status."""
    if code:
        log.warning("twilio.unknown_code", code=code[:9])


def _by_status(status: int) -> ErrorClass:
    """The class of a code we do not know: 4xx about the request itself is content, all else is set-up."""
    return ErrorClass.CONTENT if status in {400, 413, 415, 422} else ErrorClass.CONFIG
