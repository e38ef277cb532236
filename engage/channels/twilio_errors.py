"""Twilio's error codes as data: what each means for the delivery, at once or by callback.

Codes change and split (Twilio's change log asks not to hard-wire them), so that everything unlisted falls to its HTTP
status class. Texts of Twilio never leave this file: they quote phone numbers.
Source: Twilio's error dictionary, as collected in the provider notes, read 2026.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from engage.domain.delivery import FailReason
from engage.ports.channel import Answer, Busy, Rejected, Unknown


class ErrorClass(StrEnum):
    """What a code asks us to do; the value is said in the delivery's detail."""

    OPTED_OUT = "the person opted out at Twilio (STOP)"
    INVALID = "this address can never be reached on this channel"
    BLOCKED = "the recipient or carrier blocks us"
    SOFT = "the recipient could not be reached now"
    ROUTE = "this sender cannot reach this recipient"
    BUSY = "too many requests or a full queue; not taken"
    TROUBLE = "trouble at Twilio or the carrier"
    CONTENT = "the content was refused"
    CONFIG = "the account, sender or permission is not set up for this"


_CODES: dict[ErrorClass, tuple[int, ...]] = {
    ErrorClass.OPTED_OUT: (21610,),
    ErrorClass.INVALID: (
        *(21211, 21214, 21217, 21265, 21614, 21635),
        *(30005, 30006, 63003, 63024),
    ),
    ErrorClass.BLOCKED: (21216, 30004, 63032, 63033),
    ErrorClass.SOFT: (30003, 30008, 30036, 30410),
    ErrorClass.ROUTE: (21612, 30024),
    ErrorClass.BUSY: (
        *(14107, 20429, 21611, 22005, 30001, 30017, 30022, 30023, 30027),
        *(63017, 63018, 63038),
    ),
    ErrorClass.TROUBLE: (20500, 20503, 30020, 30021, 63009, 63010, 63012),
    ErrorClass.CONTENT: (
        *(11100, 11200, 11751, 12100, 12300, 13224, 13227),
        *(21205, 21617, 21619, 21620, 21623, 21624, 21654, 21655, 21656),
        *(30007, 30011, 30019, 30450, 30610, 30640),
        *(63005, 63013, 63016, 63019, 63021, 63027, 63028, 63034, 63040, 63041, 63042),
    ),
    ErrorClass.CONFIG: (
        *(20003, 20005, 20404, 21201, 21210, 21212, 21213, 21215, 21219, 21220, 21408),
        *(21602, 21603, 21604, 21606, 21608, 21609, 21621, 21622, 21659, 21660, 21661),
        *(21701, 21702, 21703, 21704, 21705, 30002, 30032, 30033, 30034, 30035),
        *(63001, 63007, 63008, 63020, 63051),
    ),
}
_CLASS_OF = {code: kind for kind, codes in _CODES.items() for code in codes}

_REASONS = {
    ErrorClass.OPTED_OUT: FailReason.BLOCKED,
    ErrorClass.INVALID: FailReason.INVALID_ADDRESS,
    ErrorClass.BLOCKED: FailReason.BLOCKED,
    ErrorClass.SOFT: FailReason.PROVIDER_ERROR,
    ErrorClass.ROUTE: FailReason.CONFIG,
    ErrorClass.BUSY: FailReason.PROVIDER_ERROR,
    ErrorClass.TROUBLE: FailReason.PROVIDER_ERROR,
    ErrorClass.CONTENT: FailReason.CONTENT,
    ErrorClass.CONFIG: FailReason.CONFIG,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """What an error code in a callback says about a delivery that had been taken."""

    reason: FailReason
    permanent: bool
    """The address itself is at fault for good."""
    opted_out: bool


def failure(code: str | None) -> Failure:
    """Return the meaning of the `ErrorCode` of a callback; unknown and missing codes are the provider's error."""
    kind = _CLASS_OF.get(int(code)) if code and code.isascii() and code.isdigit() and len(code) < 9 else None
    return Failure(
        reason=FailReason.PROVIDER_ERROR if kind is None else _REASONS[kind],
        permanent=kind is ErrorClass.INVALID,
        opted_out=kind is ErrorClass.OPTED_OUT,
    )


def answer_to_error(status: int, code: object, wait: timedelta | None) -> Answer:
    """Return what an error answer to a create request means for the delivery.

    A 5xx leaves the outcome unknown whatever its code; a 429 is never processed (Twilio, error 20429).
    """
    number = code if isinstance(code, int) and code != status else None
    text = str(number or status)
    kind = _CLASS_OF.get(number) if number is not None else None
    if status >= 500 or status == 408 or (kind is ErrorClass.TROUBLE and status != 429):
        return Unknown(code=text, detail="Twilio failed while it had the request")
    if status == 429 or kind is ErrorClass.BUSY:
        return Busy(retry_after=wait, code=text, detail=ErrorClass.BUSY.value)
    if kind is None:
        kind = _by_status(status)
    return Rejected(
        reason=_REASONS[kind],
        code=text,
        suppress=kind is ErrorClass.INVALID,
        opt_out=kind is ErrorClass.OPTED_OUT,
        detail=kind.value,
    )


def _by_status(status: int) -> ErrorClass:
    """The class of a code we do not know: 4xx about the request itself is content, all else is set-up."""
    return ErrorClass.CONTENT if status in {400, 413, 415, 422} else ErrorClass.CONFIG
