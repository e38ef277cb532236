"""Fields of what marketers write: annotated types that turn a YAML value into its compiled form while validating.

A form *is* its compiled form: `wait: 3 days` becomes a `timedelta`, `where:` an `Expression`. Errors carry a hint
after a semicolon; positions are added by whoever read the file.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from engage.domain.delivery.delivery import REACHING, Channel
from engage.domain.expression import (
    Expression,
    ExpressionError,
    Place,
    Text,
    compile_expression,
    compile_text,
)
from engage.domain.profile.spelling import trait_path
from engage.domain.timing import DurationError, parse_duration

_KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Form(BaseModel):
    """Base of every form: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True
    )


def mistake(message: str, hint: str = "", offset: int | None = None) -> PydanticCustomError:
    """Return the error to raise for a value a marketer got wrong."""
    return PydanticCustomError("mistake", "{text}", {"text": message, "hint": hint, "offset": offset})


def _text_only(value: object, what: str) -> str:
    if not isinstance(value, str):
        hint = "write one text" if isinstance(value, list | dict) else 'put it in quotes: "…"'
        raise mistake(f"{what} is text, not {kind_of(value)}", hint)
    return value


def kind_of(value: object) -> str:
    """Return what kind of value this is, as people say it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true/false"
        case int() | Decimal():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return "text"


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        raise mistake(
            f"{value} of what? a duration needs a unit", f"write `{value} minutes`, `{value} days` …"
        )
    try:
        return parse_duration(_text_only(value, "a duration"))
    except DurationError as exc:
        raise mistake(exc.message, exc.hint) from exc


def read_duration(value: object) -> timedelta | None:
    """Return the duration that a computed value is, or None if it is none (or not positive)."""
    if not isinstance(value, str):
        return None
    try:
        return parse_duration(value)
    except DurationError:
        return None


def read_duration_or_text(value: object) -> timedelta | Text:
    """Read a duration, or a text with `{{ }}` that gives one."""
    if isinstance(value, Text) or (isinstance(value, str) and "{{" in value):
        return _text(value)
    return _duration(value)


def _expression(place: Place) -> Callable[[object], Expression]:
    def compiled(value: object) -> Expression:
        if isinstance(value, Expression):
            return value
        if isinstance(value, bool | int | Decimal):
            value = str(value).lower() if isinstance(value, bool) else str(value)
        try:
            return compile_expression(_text_only(value, "an expression"), place)
        except ExpressionError as exc:
            raise mistake(exc.message, exc.hint, exc.offset) from exc

    return compiled


def _text(value: object, place: Place = Place.TEXT) -> Text:
    if isinstance(value, Text):
        return value
    try:
        return compile_text(_text_only(value, "this"), place)
    except ExpressionError as exc:
        raise mistake(exc.message, exc.hint, exc.offset) from exc


def _message(value: object) -> Text:
    return _text(value, Place.MESSAGE)


def _data(value: Any) -> Any:
    """Compile a tree of values in which every text may hold `{{ }}`."""
    match value:
        case str():
            return _text(value)
        case dict():
            return {str(key): _data(item) for key, item in value.items()}
        case list():
            return [_data(item) for item in value]
        case _:
            return value


def _kebab(value: object) -> str:
    text = _text_only(value, "a name")
    if "{{" in text:
        raise mistake(f"`{text}` is not a name", "this one cannot be computed: choose with a `branch`")
    if not _KEBAB.match(text) or len(text) > 100:
        suggestion = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
        raise mistake(f"`{text}` is not a kebab-case name", f"write `{suggestion}`" if suggestion else "")
    return text


def _topic(value: object) -> Text:
    text = _text(value)
    if text.constant is not None:
        _kebab(text.constant)
    return text


def _variable(value: object) -> str:
    text = _text_only(value, "a name")
    if not _NAME.match(text):
        raise mistake(f"`{text}` cannot be a name", "letters, digits and _ only, not starting with a digit")
    return text


def _plain(value: object) -> str:
    return _text_only(value, "this")


def event_names(value: object) -> tuple[str, ...]:
    """Read one event name, `Prefix*`, or a list of them."""
    names = value if isinstance(value, list | tuple) else [value]
    for name in names:
        text = _text_only(name, "an event name")
        if not text or "*" in text[:-1] or len(text) > 200:
            raise mistake(f"`{text}` is not an event name", "a `*` may only stand at its end")
    if not names:
        raise mistake("the list of events is empty")
    return tuple(names)


def names_match(names: tuple[str, ...], name: str) -> bool:
    """Return whether `name` is one of `names`, where `Prefix*` stands for every name that begins so."""
    return any(name == wanted or (wanted[-1] == "*" and name.startswith(wanted[:-1])) for wanted in names)


def _channel(value: object) -> Channel:
    if isinstance(value, str) and value in REACHING:
        return Channel(value)
    *most, last = (f"'{channel}'" for channel in REACHING)
    raise PydanticKnownError("enum", {"expected": f"{', '.join(most)} or {last}"})


def expression_field(place: Place) -> Any:
    """Return the annotated type of an expression that stands at `place`."""
    return Annotated[
        Expression,
        PlainValidator(_expression(place)),
        WithJsonSchema({"type": ["string", "boolean", "number"]}),
    ]


Template = Text | dict[str, Any] | list[Any] | bool | int | Decimal | None
"""A value whose texts are compiled; `fill` makes it a value again."""

DurationField = Annotated[
    timedelta, PlainValidator(_duration), WithJsonSchema({"type": "string", "examples": ["3 days", "90s"]})
]
TextField = Annotated[Text, PlainValidator(_text), WithJsonSchema({"type": "string"})]
MessageField = Annotated[Text, PlainValidator(_message), WithJsonSchema({"type": "string"})]
"""The text of a message: it also knows what was given beside it, and the links of its delivery."""
DataField = Annotated[Any, PlainValidator(_data), WithJsonSchema({})]
EventNames = Annotated[
    tuple[str, ...],
    PlainValidator(event_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
ChannelField = Annotated[
    Channel, PlainValidator(_channel), WithJsonSchema({"enum": [str(channel) for channel in REACHING]})
]
"""A channel on which a person can be reached."""
TopicField = Annotated[Text, PlainValidator(_topic), WithJsonSchema({"type": "string"})]
"""A topic by its name, or a text that gives one."""
KebabName = Annotated[str, BeforeValidator(_kebab)]
VariableName = Annotated[str, BeforeValidator(_variable)]
PlainText = Annotated[str, BeforeValidator(_plain)]
TraitName = Annotated[PlainText, AfterValidator(lambda name: trait_path((name,))[0])]
