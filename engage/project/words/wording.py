"""What pydantic says of a value, in a marketer's words."""

import re
from collections.abc import Mapping as Map
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from engage.domain.forms import kind_of
from engage.project.words.suggest import listed, nearest

_MOST_LISTED = 6
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")

TYPE_ERRORS: dict[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "is_instance_of": "something else",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "empty",
}
"""Errors that only say "not this kind of value", and the kind that would be right."""

_WRITE = {
    "a list": "begin each item on a line of its own with `- `",
    "a mapping": "write `key: value` lines below it",
    "true or false": "write `true` or `false`",
    "text": 'put it in quotes: "…"',
}


_EXAMPLES = {
    "emit": "emit: {event: Cart Left}",
    "wait_for": "wait_for: {timeout: 1 day, event: Order Completed}",
    "until": "until: {at: entry.ends_at, before: 1 hour, if_past: go_on}",
    "wait_until": 'wait_until: {time: "09:00"}',
    "set": "set: {plan: pro}",
    "remember": "remember: {code: CART10}",
    "subscribe": "subscribe: {channel: sms, topic: news}",
    "unsubscribe": "unsubscribe: {channel: sms, topic: news}",
    "suppress": "suppress: {channel: email, reason: bounced}",
    "webhook": 'webhook: {url: "https://hooks.partner.example/"}',
    "handoff": "handoff: {to: flex, workflow: support}",
    "repeat": "repeat: {times: 3, steps: […]}",
    "reach": "reach: {within: 10 minutes, channels: [{sms: hi}, {email: hi}]}",
    "if_not_sent": "if_not_sent: {default: exit}",
    "goal": "goal: {event: Order Completed, within: 5 days}",
    "exit_when": "exit_when: [{event: Order Completed}]",
    "entry": "entry: {reentry: always}",
    "date": 'date: {trait: birthday, every: year, time: "09:00"}',
    "inbound": "inbound: {channel: sms}",
    "trait": "trait: {changed: plan}",
    "channels": "channels: [{sms: hi}, {email: hi}]",
    "quiet_hours": 'quiet_hours: {from: "21:00", to: "08:00"}` or `quiet_hours: off',
    "law": "law: [us]",
    "caps": "caps: [{channels: [sms], limit: 3, per: 7 days}]",
    "topics": "topics: {news: {title: News, email: opt_out}}",
    "between": 'between: ["09:00", "20:00"]',
}
"""What to write at a key that holds more than one value."""


def example_of(path: Sequence[str | int]) -> str:
    """Return what could stand at the key that a path ends in; nothing where no example is known."""
    return _EXAMPLES.get(str(path[-1]), "") if path else ""


def wrong_kind(name: str, wanted: list[str], value: Any, *, example: str = "") -> tuple[str, str]:
    """Return message and hint for a value that is none of the wanted kinds; `example`: what would be right."""
    kinds = " or ".join(dict.fromkeys(wanted))
    if value is None:
        return f"{name} has no value", f"it is {kinds}; write one, or delete the line"
    hint = _WRITE.get(wanted[0], "") if len(set(wanted)) == 1 else ""
    actual = kind_of(value)
    if wanted[0] == "text" and actual in ("a list", "a mapping"):
        hint = "write one text"
    if example and kinds in ("a list", "a mapping"):
        hint = f"write `{example}`"
    if actual == "text" and wanted[0].endswith("number"):
        hint = "write it without quotes, as digits"
    if actual in kinds.split(" or "):
        return f"{name} is {kinds}, not `{value}`", hint
    return f"{name} is {kinds}, not {actual}", hint


def limit_words(name: str, kind: str, context: Map[str, Any], value: Any) -> tuple[str, str] | None:
    """Return message and hint for a value of the right kind that is too much, too little, or not in a set."""
    match kind:
        case "literal_error" | "enum":
            return _not_among(name, str(context.get("expected", "")), value)
        case "greater_than_equal":
            return f"{name} is at least {context['ge']}, not {value}", ""
        case "greater_than":
            return f"{name} is more than {context['gt']}, not {value}", ""
        case "less_than_equal":
            return f"{name} is at most {context['le']}, not {value}", ""
        case "less_than":
            return f"{name} is less than {context['lt']}, not {value}", ""
        case "too_short":
            least = context.get("min_length", 1)
            return (f"{name} is empty", "") if not value else (f"{name} has at least {least} items", "")
        case "too_long":
            return f"{name} has at most {context.get('max_length')} items", ""
        case "string_too_short":
            return f"{name} is empty", ""
        case "string_too_long":
            return f"{name} is longer than {context.get('max_length')} characters", ""
        case _:
            return None


def _not_among(name: str, expected: str, value: Any) -> tuple[str, str]:
    words = _QUOTED.findall(expected) or [
        word.lower() if word in ("True", "False") else word for word in re.split(r", | or ", expected) if word
    ]
    if len(words) == 1:
        return f"{name} can only be `{words[0]}`", ""
    near = nearest(value, words) if isinstance(value, str) else None
    if near and len(words) > _MOST_LISTED:
        return f"{name} cannot be `{value}`", f"did you mean `{near}`?"
    shown = f"`{value}`" if isinstance(value, str | int | Decimal) else kind_of(value)
    return f"{name} is one of {listed(words)}, not {shown}", f"did you mean `{near}`?" if near else ""
