"""The functions a template may call."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from jinja2.utils import Namespace

from engage.domain.expression.functions import shifted
from engage.domain.links.short_link import MAX_ROOM, ROOM, is_room
from engage.domain.timing import DurationError, parse_duration
from engage.templating.values import Missing, RefusalError, rendering

MAX_RANGE = 10_000


def _range(*bounds: Any) -> range:
    if not 1 <= len(bounds) <= 3 or any(not isinstance(bound, int) for bound in bounds):
        raise RefusalError("`range` takes whole numbers")
    if len(bounds) == 3 and bounds[2] == 0:
        raise RefusalError("`range` cannot go in steps of 0")
    numbers = range(*bounds)
    if (
        abs(bounds[-1] if len(bounds) < 2 else bounds[1] - bounds[0]) > MAX_RANGE * 1000
        or len(numbers) > MAX_RANGE
    ):
        raise RefusalError(f"`range` goes to {MAX_RANGE} numbers at most")
    return numbers


def _moved(duration: Any, sign: int) -> datetime:
    try:
        return shifted(rendering.now, sign * parse_duration(_text(duration, "a duration")))
    except DurationError as exc:
        raise RefusalError(str(exc)) from exc


def _ago(duration: Any) -> datetime:
    return _moved(duration, -1)


def _ahead(duration: Any) -> datetime:
    return _moved(duration, 1)


def _confirm_url(topic: Any) -> str:
    if rendering.links is None:
        raise RefusalError("`confirm_url` is not available here")
    try:
        return rendering.links.confirm_url[_text(topic, "a topic")]
    except KeyError as exc:
        raise RefusalError(f"there is no topic `{topic}` to confirm") from exc


def _link(target: Any) -> str:
    url = _text(target, "an address")
    room = url.removeprefix(ROOM)
    if room != url and not is_room(room):
        raise RefusalError(f"`{ROOM}` is followed by letters, digits, `-`, `_` and `.`, at most {MAX_ROOM}")
    if room == url and (not url.lower().startswith(("https://", "http://")) or any(map(str.isspace, url))):
        raise RefusalError("`link` takes an address that begins with https://")
    return url if rendering.links is None else rendering.links.tracked(url)


def _secret(name: Any) -> str:
    if rendering.secrets is None:
        raise RefusalError("`secret` may be used in `dial` only")
    value = rendering.secrets(_text(name, "a name"))
    if value is None:
        raise RefusalError(f"there is no secret `{name}`")
    return value


def _text(value: Any, what: str) -> str:
    if isinstance(value, Missing) or not isinstance(value, str):
        raise RefusalError(f"{what} was expected in quotes")
    return str(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "range": _range,
    "ago": _ago,
    "ahead": _ahead,
    "confirm_url": _confirm_url,
    "link": _link,
    "secret": _secret,
    "namespace": Namespace,
}
