"""Filters and tests: those of expressions with the same meaning, and the harmless ones of Jinja2."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from jinja2 import filters as stock
from jinja2.utils import pass_context, pass_environment
from markupsafe import Markup, escape

from engage.domain.expression import ExpressionError, check_regex, order_key, parse_instant, regex, words
from engage.domain.expression.numbers import total
from engage.domain.expression.testing_values import TESTS_OF_ONE, TESTS_OF_TWO
from engage.templating.values import Missing, MissingResult, RefusalError, exact, plain, printed, rendering

MAX_COLUMNS = 1000
_DIRECTIVES = re.compile(r"(?:[^%]|%-?[aAbBdHIjmMpSuUVWwyYZz%])*\Z")
_LONGEST_FORMAT = 100


def _of_expressions(name: str, change: Callable[..., Any], *, zoned: bool) -> Callable[..., Any]:
    """A filter of expressions: what is missing stays missing, so that a `default` may follow."""

    def apply(value: Any, *args: Any) -> Any:
        if isinstance(value, Missing) or value is None:
            return value
        value = plain(value)
        if isinstance(value, str | list | dict):
            rendering.spend_text(len(value))
        result = change(value, rendering.zone) if zoned else change(value, *(plain(arg) for arg in args))
        return Missing(name=f"… | {name}") if result is None else result

    return apply


def _default(value: Any, other: Any = "", boolean: Any = False) -> Any:
    if isinstance(value, MissingResult):
        return other
    if isinstance(value, Missing) or value is None or (boolean and not value):
        return other
    return value


def _join(value: Any, separator: Any = "", attribute: Any = None) -> Any:
    if isinstance(value, Missing) or value is None:
        return value
    if not isinstance(separator, str):
        raise RefusalError("`join` takes a text")
    if not isinstance(value, list | tuple | range):
        return Missing(name="… | join")
    items = [_attribute(item, attribute) for item in value] if attribute is not None else value
    texts = [printed(item) for item in items if item is not None and not isinstance(item, Missing)]
    rendering.spend_text(sum(map(len, texts)) + len(separator) * len(texts))
    if any(isinstance(text, Markup) for text in (*texts, separator)):
        return escape(separator).join([escape(text) for text in texts])
    return separator.join(texts)


def _replace(value: Any, old: Any, new: Any) -> Any:
    if isinstance(value, Missing):
        return value
    text, old, new = str(printed(value)), str(printed(old)), str(printed(new))
    rendering.spend_text(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _extract(value: Any, pattern: Any) -> Any:
    value = plain(value)
    found = _searched(value, pattern) if isinstance(value, str) else None
    return Missing(name="… | extract") if found is None else found


@lru_cache(maxsize=512)
def _checked(pattern: str) -> regex.Pattern:
    check_regex(pattern)
    return regex.compiled(pattern)


def _searched(value: str, pattern: Any) -> str | None:
    rendering.spend(len(value) // 16)
    return regex.first_match(_pattern(pattern), value)


def _pattern(pattern: Any) -> regex.Pattern:
    try:
        return _checked(str(printed(pattern)))
    except ExpressionError as exc:
        raise RefusalError(exc.message) from exc


def _fixed(value: Any, places: Any = 2) -> Any:
    """A number with that many decimal places: `79.9 | fixed(2)` is `79.90`."""
    if isinstance(value, Missing) or value is None:
        return value
    rounded = words.rounded(plain(value), plain(places))
    if rounded is None or not isinstance(places, int) or not 0 <= places <= 12:
        return Missing(name="… | fixed")
    number = Decimal(str(rounded))
    return format(number, f".{places}f") if number.adjusted() < 30 else exact(number)


def _strftime(value: Any, pattern: Any) -> Any:
    """An instant on the person's wall clock: `entry.at | date | strftime('%d.%m.%Y %H:%M')`."""
    if isinstance(value, Missing) or value is None:
        return value
    instant = parse_instant(plain(value), rendering.zone)
    form = str(printed(pattern))
    if len(form) > _LONGEST_FORMAT or not _DIRECTIVES.match(form):
        raise RefusalError("`strftime` takes the usual signs, as in '%d.%m.%Y %H:%M'")
    if not isinstance(instant, datetime):
        return Missing(name="… | strftime")
    return instant.astimezone(rendering.zone).strftime(form)


def _attribute(item: Any, path: Any) -> Any:
    for key in str(printed(path)).split("."):
        if key.startswith("_"):
            raise RefusalError(f"`{key}` is not available: names with `_` in front are hidden")
        item = item.get(key) if isinstance(item, dict) else None
    return item


def _items(value: Any) -> Any:
    if not isinstance(value, dict):
        raise RefusalError("`items` takes an object")
    rendering.spend(len(value))
    return [[key, item] for key, item in value.items()]


def _listed(value: Any) -> list[Any]:
    if isinstance(value, Missing) or value is None:
        printed(value)
    try:
        items = list(value)
    except TypeError as exc:
        raise RefusalError("only lists, objects and texts have elements") from exc
    rendering.spend(len(items))
    return items


def _sort(value: Any, reverse: Any = False, attribute: Any = None) -> list[Any]:
    def key(item: Any) -> Any:
        return order_key(plain(_attribute(item, attribute) if attribute is not None else item))

    return sorted(_listed(value), key=key, reverse=bool(reverse))


def _unique(value: Any, attribute: Any = None) -> list[Any]:
    seen: dict[Any, Any] = {}
    for item in _listed(value):
        seen.setdefault(
            order_key(plain(_attribute(item, attribute) if attribute is not None else item)), item
        )
    return list(seen.values())


def _group(value: Any, attribute: Any) -> list[list[Any]]:
    groups: dict[Any, tuple[Any, list[Any]]] = {}
    for item in _sort(value, attribute=attribute):
        found = _attribute(item, attribute)
        groups.setdefault(order_key(found), (found, []))[1].append(item)
    return [[found, items] for found, items in groups.values()]


def _sum(value: Any, attribute: Any = None) -> Any:
    items = [_attribute(item, attribute) if attribute is not None else item for item in _listed(value)]
    numbers = [item for item in items if isinstance(item, int | Decimal) and not isinstance(item, bool)]
    if len(numbers) != len(items):
        return MissingResult(name="… | sum")
    return total(numbers)


def _first(value: Any) -> Any:
    items = _listed(value)
    return items[0] if items else Missing(name="… | first")


def _last(value: Any) -> Any:
    items = _listed(value)
    return items[-1] if items else Missing(name="… | last")


def _smallest(value: Any) -> Any:
    return next(iter(_sort(value)), Missing(name="… | min"))


def _largest(value: Any) -> Any:
    return next(iter(_sort(value, reverse=True)), Missing(name="… | max"))


def _batch(value: Any, size: Any) -> list[list[Any]]:
    if not isinstance(size, int) or not 1 <= size <= MAX_COLUMNS:
        raise RefusalError(f"`batch` takes a number from 1 to {MAX_COLUMNS}")
    items = _listed(value)
    return [items[start : start + size] for start in range(0, len(items), size)]


def _url(value: Any) -> str:
    text = str(printed(value))
    rendering.spend_text(3 * len(text))
    return quote(text, safe="")


def _string(value: Any) -> Any:
    return value if isinstance(value, Missing) else printed(value)


def _lines(value: Any) -> Any:
    """Line breaks of a text as HTML."""
    text = printed(value)
    return Markup("<br>\n").join([escape(line) for line in str(text).splitlines()])


def _truncate(value: Any, length: Any = 255, end: Any = "…") -> Any:
    if isinstance(value, Missing):
        return value
    text, end = str(printed(value)), str(printed(end))
    if not isinstance(length, int) or length < len(end):
        raise RefusalError("`truncate` takes the length of the result")
    return text if len(text) <= length else text[: length - len(end)].rstrip() + end


def _on_text(change: Callable[[str], Any]) -> Callable[[Any], Any]:
    def apply(value: Any) -> Any:
        if isinstance(value, Missing):
            return value
        text = printed(value)
        rendering.spend_text(len(text))
        return change(str(text))

    return apply


@pass_context
def _map(context: Any, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
    if set(kwargs) <= {"attribute", "default"} and "attribute" in kwargs and not args:
        found = [_attribute(item, kwargs["attribute"]) for item in _listed(value)]
        return [kwargs.get("default") if item is None else item for item in found]
    if not args or args[0] not in FILTERS or args[0] in {"map", "select", "reject"}:
        raise RefusalError("`map` takes `attribute='name'` or the name of a filter")
    return [
        context.environment.call_filter(args[0], item, args[1:], kwargs, context) for item in _listed(value)
    ]


def _choosing(*, keep: bool, by_attribute: bool) -> Callable[..., Any]:
    @pass_environment
    def choose(environment: Any, value: Any, *args: Any) -> list[Any]:
        attribute, args = (args[0], args[1:]) if by_attribute and args else (None, args)
        if args and args[0] not in TESTS:
            raise RefusalError("the test to choose by is not known")

        def holds(item: Any) -> bool:
            item = _attribute(item, attribute) if attribute is not None else item
            return bool(environment.call_test(args[0], item, args[1:]) if args else item)

        return [item for item in _listed(value) if holds(item) is keep]

    return choose


def _safe(value: Any) -> Any:
    return value if isinstance(value, Missing) else Markup(printed(value))  # noqa: S704 - the author says so


def _escape(value: Any) -> Any:
    return escape(printed(value))


FILTERS: dict[str, Callable[..., Any]] = {
    "lower": _of_expressions("lower", words.lower, zoned=True),
    "upper": _of_expressions("upper", words.upper, zoned=True),
    "trim": _of_expressions("trim", words.trim, zoned=True),
    "length": _of_expressions("length", words.length, zoned=True),
    "date": _of_expressions("date", words.date, zoned=True),
    "number": _of_expressions("number", words.number, zoned=True),
    "abs": _of_expressions("abs", words.size, zoned=True),
    "round": _of_expressions("round", lambda value, places=0: words.rounded(value, places), zoned=False),
    "head": _of_expressions("head", words.head, zoned=False),
    "tail": _of_expressions("tail", words.tail, zoned=False),
    "default": _default,
    "d": _default,
    "join": _join,
    "extract": _extract,
    "fixed": _fixed,
    "strftime": _strftime,
    "replace": _replace,
    "truncate": _truncate,
    "title": _on_text(stock.do_title),
    "capitalize": _on_text(stock.do_capitalize),
    "striptags": _on_text(lambda text: Markup(text).striptags()),  # noqa: S704 - tags are taken out
    "wordcount": _on_text(lambda text: len(text.split())),
    "urlencode": _url,
    "lines": _lines,
    "string": _string,
    "safe": _safe,
    "escape": _escape,
    "e": _escape,
    "items": _items,
    "list": _listed,
    "first": _first,
    "last": _last,
    "min": _smallest,
    "max": _largest,
    "sum": _sum,
    "sort": _sort,
    "unique": _unique,
    "groupby": _group,
    "reverse": lambda value: _listed(value)[::-1],
    "batch": _batch,
    "map": _map,
    "select": _choosing(keep=True, by_attribute=False),
    "reject": _choosing(keep=False, by_attribute=False),
    "selectattr": _choosing(keep=True, by_attribute=True),
    "rejectattr": _choosing(keep=False, by_attribute=True),
}
FILTERS["count"] = FILTERS["length"]


def _matching(value: Any, pattern: Any) -> bool:
    value = plain(value)
    return isinstance(value, str) and _searched(value, pattern) is not None


def _test_of_one(holds: Callable[[Any], Any]) -> Callable[[Any], bool]:
    return lambda value: bool(holds(plain(value)))


def _test_of_two(holds: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    return lambda value, other: bool(holds(plain(value), plain(other)))


TESTS: dict[str, Callable[..., bool]] = {
    **{str(name.value): _test_of_one(holds) for name, holds in TESTS_OF_ONE.items()},
    **{str(name.value): _test_of_two(holds) for name, holds in TESTS_OF_TWO.items()},
    "matching": _matching,
    "undefined": lambda value: plain(value) is None,
    "odd": lambda value: isinstance(value, int) and value % 2 == 1,
    "even": lambda value: isinstance(value, int) and value % 2 == 0,
    "divisibleby": lambda value, by: (
        isinstance(value, int) and isinstance(by, int) and by != 0 and value % by == 0
    ),
    "true": lambda value: value is True,
    "false": lambda value: value is False,
    "iterable": lambda value: isinstance(value, list | dict | str),
    "mapping": lambda value: isinstance(value, dict),
}
