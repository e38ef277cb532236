"""Meaning: what must change in a definition for an edit to be a change; layout, comments, quotes and short forms are not."""

from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
from pydantic import BaseModel

from engage.domain.expression import Expression, Text
from engage.domain.expression.numbers import number_text
from engage.domain.steps.choice import SplitForm
from engage.domain.timing import Cron, format_duration
from engage.project.template_files import TemplateSource

_encode = msgspec.json.Encoder(order="sorted").encode


def meaning_of(form: BaseModel | TemplateSource) -> str:
    """Return the canonical text of a definition: equal for two files that mean the same.

    Expressions are compared by their canonical spelling, durations by length, numbers by value; a key written with
    its default is as if absent. Of a template every text counts to the letter, its YAML files by their content.
    """
    if isinstance(form, TemplateSource):
        return _encode({name: plain(content) for name, content in form.files.items()}).decode()
    return _encode(plain(form)).decode()


def plain(value: object) -> Any:
    """Return a form, or a part of one, as JSON data in canonical spelling."""
    match value:
        case None | bool() | str() if not isinstance(value, Enum):
            return value
        case int() | Decimal():
            return {"number": number_text(value)}
        case Enum():
            return plain(value.value) if isinstance(value.value, str) else value.name.lower()
        case Expression():
            return {"is": value.meaning}
        case Text():
            return text_meaning(value)
        case timedelta():
            return format_duration(value)
        case time() | date():
            return value.isoformat()
        case Cron():
            return " ".join(value.source.split())
        case SplitForm():
            # The order of the arms decides who falls into which: it is part of the meaning.
            arms = [[name, plain(arm)] for name, arm in value.arms.items()]
            return {"arms": arms, "sticky": value.sticky}
        case BaseModel():
            return _fields(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            raise TypeError(f"no meaning for {type(value).__name__}")


def text_meaning(text: Text) -> str:
    """Return a text with its expressions in canonical spelling."""
    source, spelled, position = text.source, "", 0
    for expression in text.expressions:
        start = source.index(expression.source, position)
        spelled += source[position:start] + expression.meaning
        position = start + len(expression.source)
    return spelled + source[position:]


def _fields(form: BaseModel) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in type(form).model_fields.items():
        value = plain(getattr(form, name))
        if field.is_required() or value != plain(field.get_default(call_default_factory=True)):
            found[field.alias or name] = value
    return found
