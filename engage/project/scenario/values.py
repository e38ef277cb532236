"""Values of scenarios: offsets from the start, people, provider answers, receipt words."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    ValidationInfo,
    WithJsonSchema,
)

from engage.domain.forms import mistake
from engage.domain.timing import DurationError, parse_duration, parse_instant_text, unix_instant

_SIGNED = re.compile(r"\s*([+-]?)\s*([^+-]+)")
_RETRY = re.compile(r"(?:(\S+)\s+)?retry\s+(\S.*)\Z")
_PROVIDER_CODES_FROM = 1000
_SECONDS_FROM = 10**8
"""Unix numbers below this (the year 1973) are taken for offsets that lack their unit."""
_EXAMPLES = "write an offset such as `0s`, `-1d`, `1h 30m`, or an instant such as `2026-03-01T10:00:00Z`"


class Part(BaseModel):
    """Base of every part of a scenario: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


@dataclass(frozen=True, slots=True)
class Clock:
    """What the offsets of a scenario count from; handed to its forms as the validation context."""

    start: datetime


@lru_cache(maxsize=1024)
def offset(text: str) -> timedelta | None:
    """Return the signed elapsed time that a text names (`-1d`, `1h 30m`, `1 day - 2h`); None if it begins like none.

    Raises:
        PydanticCustomError: it looks like an offset and is none.
    """
    if not text.strip()[:1] or text.strip()[0] not in "+-0123456789" or _looks_like_date(text):
        return None
    total, position = timedelta(0), 0
    try:
        while position < len(text):
            part = _SIGNED.match(text, position)
            if part is None:
                raise mistake(f"`{text}` is no offset", _EXAMPLES)
            duration = parse_duration(part[2])
            total = total - duration if part[1] == "-" else total + duration
            position = part.end()
    except DurationError as exc:
        raise mistake(exc.message, exc.hint) from exc
    return total


def _looks_like_date(text: str) -> bool:
    return re.match(r"\s*[0-9]{4}-[0-9]{2}", text) is not None


def instant(value: object) -> datetime:
    """Read an instant: ISO 8601 with an offset, or Unix seconds (milliseconds from 10^11 on)."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    found: datetime | None = None
    number = _number_in(value)
    if number is not None:
        found = unix_instant(number)
    elif isinstance(value, str):
        found = parse_instant_text(value.strip())
    if found is None:
        hint = _EXAMPLES
        if isinstance(value, str) and _looks_like_date(value):
            hint = (
                "an instant has a time and an offset: `2026-03-01T10:00:00-05:00` or `2026-03-01T15:00:00Z`"
            )
        raise mistake(f"`{value}` is no instant", hint)
    return found


def moment(value: object, zero: datetime) -> datetime:
    """Read an offset from `zero`, or an instant."""
    number = _number_in(value)
    if number == 0:
        return zero
    if number is not None and -_SECONDS_FROM < number < _SECONDS_FROM:
        raise mistake(
            f"{value} of what? an offset needs a unit",
            f"write `{value}s`, `{value}m`, `{value}h` or `{value}d`",
        )
    if isinstance(value, str):
        elapsed = offset(value)
        if elapsed is not None:
            try:
                return zero + elapsed
            except OverflowError as exc:
                raise mistake(f"`{value}` leads out of the calendar") from exc
    return instant(value)


def _number_in(value: Any) -> int | Decimal | None:
    return value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def _from_start(value: object, info: ValidationInfo) -> datetime:
    assert isinstance(info.context, Clock)  # the reader of scenarios gives it
    return moment(value, info.context.start)


def _from_item(value: object, info: ValidationInfo) -> datetime | None:
    at = info.data.get("at")
    return None if at is None else moment(value, at)


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise mistake("this is text, not " + ("a list" if isinstance(value, list) else "something else"))
    return str(value)


def _person(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise mistake("a person is named by text", "a user id such as `ada`, or `anon-1` for an anonymous id")
    return value


def _several(value: object) -> object:
    return value if isinstance(value, list) else [value]


_INSTANT_SCHEMA = {"type": ["string", "number"], "examples": ["0s", "-1d", "1h 30m", "2026-03-01T10:00:00Z"]}

Instant = Annotated[datetime, PlainValidator(instant), WithJsonSchema(_INSTANT_SCHEMA)]
Moment = Annotated[datetime, PlainValidator(_from_start), WithJsonSchema(_INSTANT_SCHEMA)]
"""An offset from the start of the scenario, or an instant; UTC once read."""
OwnMoment = Annotated[datetime | None, PlainValidator(_from_item), WithJsonSchema(_INSTANT_SCHEMA)]
"""An offset from the item's own `at`, or an instant; UTC once read."""
Person = Annotated[str, PlainValidator(_person), WithJsonSchema({"type": "string"})]
People = Annotated[tuple[Person, ...], BeforeValidator(_several)]
Words = Annotated[tuple[str, ...], BeforeValidator(_several)]
Label = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": ["string", "number"]})]
"""Text that may also be written as a number: step ids (`2`), provider codes (`30003`)."""
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=0)]
Json = dict[str, Any]


class ReceiptWord(StrEnum):
    """What a provider may tell of a delivery."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    OPENED = "opened"
    CLICKED = "clicked"
    REPLIED = "replied"
    ANSWERED = "answered"
    COMPLETED = "completed"
    FAILED = "failed"
    UNDELIVERED = "undelivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    DEFERRED = "deferred"
    DROPPED = "dropped"
    UNSUBSCRIBED = "unsubscribed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CANCELED = "canceled"
    DIGITS = "digits"
    VOICEMAIL = "voicemail"


class ProviderName(StrEnum):
    """Whose answers an item fixes: a channel's provider, or the other end of a step that calls out."""

    EMAIL = "email"
    SMS = "sms"
    MMS = "mms"
    WHATSAPP = "whatsapp"
    VOICE = "voice"
    CHAT = "chat"
    WEBHOOK = "webhook"
    SYNC = "sync"
    HANDOFF = "handoff"


class AnswerKind(StrEnum):
    """How a call to a provider ends."""

    OK = "ok"
    STATUS = "status"
    """An HTTP status."""
    CODE = "code"
    """The provider's error code, with HTTP 400."""
    TIMEOUT = "timeout"
    """Taken, but the answer is lost."""
    TIMEOUT_LOST = "timeout lost"
    """Neither taken nor answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of a provider to one call. `status` is the HTTP status, none where no answer comes."""

    kind: AnswerKind
    status: int | None = None
    code: int | None = None
    retry_after: timedelta | None = None
    body: Any = None


def answer(value: object) -> Answer:
    """Read `503`, `"429 retry 30s"`, `21610`, `timeout`, `timeout lost`, `ok`, `{status: 200, body: {…}}`."""
    if isinstance(value, Answer):
        return value
    if isinstance(value, dict):
        return _answer_of_mapping(value)
    if isinstance(value, str):
        retry = _RETRY.match(value.strip())
        if retry is not None and retry[1] is not None:
            return _with_retry(answer(_number(retry[1])), retry[2])
        word = " ".join(value.split())
        if word == AnswerKind.OK:
            return Answer(kind=AnswerKind.OK, status=200)
        if word in (AnswerKind.TIMEOUT, AnswerKind.TIMEOUT_LOST):
            return Answer(kind=AnswerKind(word))
        value = _number(word)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 100:
        if value >= _PROVIDER_CODES_FROM:
            return Answer(kind=AnswerKind.CODE, status=400, code=value)
        return Answer(kind=AnswerKind.STATUS, status=value)
    raise mistake(
        f"`{value}` is no answer of a provider",
        "`ok`, an HTTP status, a provider's code, `timeout`, `timeout lost`, or `429 retry 30s`",
    )


def _number(word: str) -> object:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 10 else word


def _with_retry(given: Answer, after: str) -> Answer:
    try:
        wait = parse_duration(after)
    except DurationError as exc:
        raise mistake(exc.message, exc.hint) from exc
    return Answer(kind=given.kind, status=given.status, code=given.code, retry_after=wait)


def _answer_of_mapping(value: dict[str, Any]) -> Answer:
    strangers = set(value) - {"status", "body", "code", "retry"}
    if strangers:
        raise mistake(
            f"unknown key `{min(strangers)}` in an answer", "it has `status`, `body`, `code`, `retry`"
        )
    given = answer(value.get("code", value.get("status", 200)))
    if "retry" in value:
        given = _with_retry(given, str(value["retry"]))
    status = value.get("status", given.status)
    if not isinstance(status, int):
        raise mistake(f"`{status}` is no HTTP status")
    return Answer(
        kind=given.kind, status=status, code=given.code, retry_after=given.retry_after, body=value.get("body")
    )


AnswerField = Annotated[
    Answer,
    PlainValidator(answer),
    WithJsonSchema({"type": ["string", "integer", "object"], "examples": ["ok", 503]}),
]
