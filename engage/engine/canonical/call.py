"""A call as a client sent it → a `Call` of ours, or the reason why not. Pure: the same bytes always give the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from engage.domain.fact import Call, Identifier, Json, Kind
from engage.domain.ids import lane_of
from engage.domain.profile.spelling import group_traits, user_traits
from engage.engine.canonical.address import normal_phone
from engage.engine.canonical.people import MAX_IDENTIFIER, identifiers, plain, wishes
from engage.engine.canonical.rules import Rules
from engage.engine.canonical.times import corrected, instant

MAX_ITEM = 32 * 1024
"""Bytes of one call as JSON (ingest.md, 4)."""
MAX_MESSAGE_ID = 100
MAX_NAME = 500
"""Characters of an event's name: it stands in an index."""
MAX_DEPTH = 32
MAX_DIGITS = 100
"""Characters of a number with a fraction."""
MAX_EXPONENT = 308
"""Decimal exponent of the largest double; what is beyond is no measurement, and the database refuses some of it."""
_KINDS = {kind.value: kind for kind in Kind}


class Unfit(StrEnum):
    """Why a call is quarantined."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    INVALID_TEXT = "invalid_text"
    TOO_DEEP = "too_deep"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    NOT_AN_OBJECT = "not_an_object"
    NO_TYPE = "no_type"
    UNKNOWN_TYPE = "unknown_type"
    NO_IDENTIFIER = "no_identifier"
    NO_USER_ID = "no_user_id"
    NO_PREVIOUS_ID = "no_previous_id"
    NO_EVENT = "no_event"
    NO_GROUP_ID = "no_group_id"
    INVALID_FIELD = "invalid_field"
    INVALID_TIMESTAMP = "invalid_timestamp"
    TOO_LONG = "too_long"
    DATABASE_REFUSED = "database_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A call that cannot be taken: the reason and, for people, what exactly. Never holds values of the call."""

    reason: Unfit
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a call does not say itself: how it came."""

    source: str
    received_at: datetime
    kind: Kind | None = None
    """From the path of a single call; none: the item's own `type` says it."""
    sent_at: object = None
    """The batch's, as JSON; an item's own wins."""
    context: Json | None = None
    integrations: Json | None = None
    browser: bool = False
    imported: bool = False
    rules: Rules = field(default_factory=Rules)


class _UnfitError(Exception):
    def __init__(self, reason: Unfit, detail: str = "") -> None:
        self.refused = Refused(reason=reason, detail=detail)


def _exact(text: str) -> Decimal:
    """Read a number with a fraction or an exponent exactly, within what the database and a computation bear."""
    number = Decimal(text)
    if len(text) > MAX_DIGITS or abs(number.adjusted()) > MAX_EXPONENT:
        raise _UnfitError(Unfit.NUMBER_OUT_OF_RANGE, "a number is too large, too small or too long")
    return number


_decoder = msgspec.json.Decoder(float_hook=_exact)


def read_item(raw: bytes, limit: int = MAX_ITEM) -> Any | Refused:
    """Return the JSON value of a call, numbers exact, or why it cannot be kept."""
    if len(raw) > limit:
        return Refused(reason=Unfit.TOO_LARGE, detail=f"{len(raw)} bytes; at most {limit} are taken")
    try:
        item = _decoder.decode(raw)
    except _UnfitError as exc:
        return exc.refused
    except UnicodeDecodeError:
        return Refused(reason=Unfit.INVALID_TEXT, detail="not UTF-8")
    except RecursionError:
        return Refused(reason=Unfit.TOO_DEEP, detail=f"nested more than {MAX_DEPTH} deep")
    except (msgspec.ValidationError, ArithmeticError):
        return Refused(reason=Unfit.NUMBER_OUT_OF_RANGE, detail="a number has too many digits")
    except msgspec.DecodeError as exc:
        return Refused(reason=Unfit.MALFORMED, detail=str(exc))
    if b"\\u0000" in raw or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        try:
            _look(item, 0)
        except _UnfitError as exc:
            return exc.refused
    return item


def canonical(item: Any, origin: Origin, mint: Callable[[], str]) -> Call | Refused:
    """Return the call in canonical form; `mint` makes its `messageId` if it has none."""
    try:
        return _canonical(item, origin, mint)
    except _UnfitError as exc:
        return exc.refused


def lane_for(found: tuple[Identifier, ...]) -> int:
    """Return the lane of a call: by user id, else anonymous id, else the first other identifier."""
    return lane_of(found[0].value)


def _canonical(item: Any, origin: Origin, mint: Callable[[], str]) -> Call:
    if not isinstance(item, dict):
        raise _UnfitError(Unfit.NOT_AN_OBJECT, "a call is a JSON object")
    kind = origin.kind or _kind(item)
    context = _merged(origin.context, _part(item, "context"))
    integrations = _merged(origin.integrations, _part(item, "integrations"))
    if integrations:
        context = {**context, "integrations": integrations}
    traits, properties = _part(item, "traits"), _part(item, "properties")
    if kind is Kind.IDENTIFY:
        if item.get("traits") is None:  # RudderStack's clients send an identify's traits there alone.
            traits = _part(context, "traits")
        traits = user_traits(traits)
    elif kind is Kind.GROUP:
        traits = group_traits(traits)
    if kind in (Kind.PAGE, Kind.SCREEN):
        properties = _viewed(item, properties)
    user_id, anonymous_id = _id(item, "userId"), _id(item, "anonymousId")
    previous = _previous(item, user_id, anonymous_id) if kind is Kind.ALIAS else None
    named = identifiers(
        user_id, anonymous_id, item, traits if kind is Kind.IDENTIFY else {}, context, origin.rules
    )
    subscriptions = (
        wishes(context, origin.rules, named) if context.get("messaging_subscriptions") is not None else ()
    )
    if not named.found:
        raise _UnfitError(Unfit.NO_IDENTIFIER, "a call needs a userId, an anonymousId or an address")
    if kind is Kind.IDENTIFY:
        traits = _with_phone(traits, origin.rules.region)
    return Call(
        kind=kind,
        message_id=_message_id(item, mint),
        timestamp=_timestamp(item, origin),
        identifiers=tuple(named.found),
        unusable=tuple(named.unusable),
        event=_event(item, kind),
        properties=properties,
        traits=traits if kind in (Kind.IDENTIFY, Kind.GROUP) else {},
        context=context,
        previous=previous,
        group_id=_group_id(item) if kind is Kind.GROUP else None,
        subscriptions=subscriptions,
        source=origin.source,
        browser=origin.browser,
        imported=origin.imported,
    )


def _kind(item: Json) -> Kind:
    kind = item.get("type")
    if kind is None:
        raise _UnfitError(Unfit.NO_TYPE, "an item of a batch needs a `type`")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise _UnfitError(Unfit.UNKNOWN_TYPE, f"`type` is one of {', '.join(_KINDS)}")
    return _KINDS[kind]


def _part(item: Json, name: str) -> Json:
    part = item.get(name)
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise _UnfitError(Unfit.INVALID_FIELD, f"`{name}` is an object")
    return part


def _merged(outer: Json | None, inner: Json) -> Json:
    return {**outer, **inner} if outer else inner


def _id(item: Json, name: str) -> str | None:
    value = item.get(name)
    text = plain(value)
    if text is None and value is not None and not isinstance(value, str):
        raise _UnfitError(Unfit.INVALID_FIELD, f"`{name}` is text")
    if text is not None and len(text) > MAX_IDENTIFIER:
        raise _UnfitError(Unfit.TOO_LONG, f"`{name}` has more than {MAX_IDENTIFIER} characters")
    return text


def _previous(item: Json, user_id: str | None, anonymous_id: str | None) -> Identifier:
    if user_id is None:
        raise _UnfitError(Unfit.NO_USER_ID, "alias needs a userId")
    previous = _id(item, "previousId") or anonymous_id
    if previous is None:
        raise _UnfitError(Unfit.NO_PREVIOUS_ID, "alias needs a previousId")
    return Identifier("anonymous_id", previous)


def _group_id(item: Json) -> str:
    group = _id(item, "groupId")
    if group is None:
        raise _UnfitError(Unfit.NO_GROUP_ID, "group needs a groupId")
    return group


def _event(item: Json, kind: Kind) -> str | None:
    """Return the name of what was tracked, or of the page or screen, which may have none."""
    if kind is Kind.TRACK:
        event = item.get("event")
        if not isinstance(event, str) or not event or event.isspace():
            raise _UnfitError(Unfit.NO_EVENT, "track needs the name of its `event`")
    elif kind in (Kind.PAGE, Kind.SCREEN):
        event = item.get("name")
        if event is None or event == "":
            return None
        if not isinstance(event, str):
            raise _UnfitError(Unfit.INVALID_FIELD, "`name` is text")
    else:
        return None
    if len(event) > MAX_NAME:
        raise _UnfitError(Unfit.TOO_LONG, f"a name has more than {MAX_NAME} characters")
    return event


def _message_id(item: Json, mint: Callable[[], str]) -> str:
    value = item.get("messageId")
    if value is None or value == "":
        return mint()
    text = value if isinstance(value, str) else plain(value)
    if text is None:
        raise _UnfitError(Unfit.INVALID_FIELD, "`messageId` is text")
    if len(text) > MAX_MESSAGE_ID:
        raise _UnfitError(Unfit.TOO_LONG, f"`messageId` has more than {MAX_MESSAGE_ID} characters")
    return text


def _timestamp(item: Json, origin: Origin) -> datetime:
    # Segment keeps the client's time as originalTimestamp; RudderStack's clients already send that name.
    given = item.get("originalTimestamp")
    if given is None:
        given = item.get("timestamp")
    if given is None:
        return origin.received_at
    original = instant(given)
    if original is None:
        raise _UnfitError(Unfit.INVALID_TIMESTAMP, "`timestamp` is ISO 8601")
    sent_at = instant(item.get("sentAt")) or instant(origin.sent_at)
    at = corrected(original, sent_at, origin.received_at)
    if at is None:
        raise _UnfitError(Unfit.INVALID_TIMESTAMP, "`timestamp` lies before 1970")
    return at


def _viewed(item: Json, properties: Json) -> Json:
    named = {name: value for name in ("name", "category") if (value := item.get(name)) not in (None, "")}
    return {**properties, **named} if named else properties


def _with_phone(traits: Json, region: str) -> Json:
    """Keep the trait `phone` as E.164 where it is a number at all; an e-mail address stays as it was typed."""
    text = plain(traits.get("phone"))
    phone = normal_phone(text, region) if text is not None else None
    return traits if phone is None else {**traits, "phone": phone}


def _look(value: Any, depth: int) -> None:
    """Refuse what the database or a later computation cannot bear."""
    match value:
        case str():
            if "\x00" in value:
                raise _UnfitError(Unfit.INVALID_TEXT, "a text holds the character U+0000")
        case dict():
            _go_down(depth)
            for name, part in value.items():
                _look(name, depth)
                _look(part, depth + 1)
        case list():
            _go_down(depth)
            for part in value:
                _look(part, depth + 1)


def _go_down(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise _UnfitError(Unfit.TOO_DEEP, f"nested more than {MAX_DEPTH} deep")
