"""What templates compute with: data, values that are missing, and the budget that bounds a rendering."""

import threading
from collections.abc import Callable, Iterable, Sized
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from jinja2.runtime import Undefined
from jinja2.utils import missing as _absent
from markupsafe import Markup

from engage.domain.expression import text_of
from engage.ports.templating import Links

MAX_STEPS = 200_000
"""What one rendering may do: a turn of a loop is one step, a call ten, every 64 characters made one more."""
MAX_OUTPUT = 1_000_000
"""Characters of one rendered part."""
_CHARACTERS_PER_STEP = 64
_CALL = 10


class RefusalError(Exception):
    """A template does something that gives no content for this person; the text says what, in a marketer's words."""


class MissingValueError(RefusalError):
    """A value that is not there was printed or computed with."""

    def __init__(self, path: str | None) -> None:
        what = f"`{path}` is missing" if path else "a value is missing"
        super().__init__(f"{what}; add `| default(…)` or ask for it by `if`")


class LimitError(RefusalError):
    """The rendering does too much."""


class Missing(Undefined):
    """A value that is missing or none. `if`, tests and `default` may look at it; everything else is a refusal."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = _absent,
        name: str | None = None,
        exc: type[Exception] = MissingValueError,
    ) -> None:
        super().__init__(hint, obj, name)

    @property
    def path(self) -> str | None:
        """What was looked for, as it was written."""
        return self._undefined_name

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise MissingValueError(self._undefined_name)

    __str__ = __iter__ = __len__ = __call__ = __getitem__ = __contains__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __html__ = __format__ = _refuse

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Missing)

    def __hash__(self) -> int:
        return hash(None)

    def __repr__(self) -> str:
        return "none"


class MissingResult(Missing):
    """The result of computing with a missing value: only `default` may take it."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise MissingValueError(self.path)


class Rendering(threading.local):
    """The rendering under way in this thread: its budget, clock and links."""

    steps: int = MAX_STEPS
    now: datetime
    zone: ZoneInfo
    links: Links | None = None
    secrets: Callable[[str], str | None] | None = None
    """None: `secret` is not allowed where we are."""

    def spend(self, steps: int) -> None:
        """Take steps from the budget.

        Raises:
            LimitError: it is used up.
        """
        self.steps -= steps
        if self.steps < 0:
            raise LimitError("the template does too much: a loop is too long or a text too large")

    def spend_call(self) -> None:
        """Take the price of a call."""
        self.spend(_CALL)

    def spend_text(self, characters: int) -> None:
        """Take the price of a text of that length, before it is made."""
        self.spend(characters // _CHARACTERS_PER_STEP)


rendering = Rendering()


def plain(value: Any) -> Any:
    """Return a value as data: missing is none, markup is text."""
    if isinstance(value, Missing):
        if isinstance(value, MissingResult):
            raise MissingValueError(value.path)
        return None
    return str(value) if isinstance(value, Markup) else value


def printed(value: Any) -> Any:
    """Return what `{{ value }}` prints: text as it is, exact numbers as they were written, instants in ISO 8601.

    Raises:
        MissingValueError: there is nothing to print.
        LimitError: the rendering has printed enough.
    """
    kind = type(value)
    if kind is str or kind is Markup:
        if len(value) >= _CHARACTERS_PER_STEP:
            rendering.spend_text(len(value))
        return value
    if kind is int:
        return text_of(value)
    if kind is Decimal:
        return exact(value)
    if value is None:
        raise MissingValueError(None)
    if isinstance(value, Missing):
        raise MissingValueError(value.path)
    if isinstance(value, bool | list | dict | datetime | Markup):
        text = text_of(value)
        rendering.spend_text(len(text))
        return text
    if isinstance(value, str):
        return str(value)
    raise RefusalError("this is no value that can be printed")


def exact(number: Decimal) -> str:
    """Return a decimal as it was written (`79.90`), without an exponent; a huge one in its shortest form."""
    return format(number, "f") if -30 < number.adjusted() < 30 else text_of(number)


def looped(items: Any, body: int = 0) -> Iterable[Any]:
    """Return what a `for` goes through, paid for in advance; `body` is the fixed text of one turn.

    Raises:
        MissingValueError: there is nothing to go through.
        LimitError: the rendering has done enough.
    """
    if isinstance(items, Missing) or items is None:
        raise MissingValueError(items.path if isinstance(items, Missing) else None)
    if isinstance(items, int | Decimal | datetime):
        raise RefusalError("only lists, objects and texts can be looped over")
    if not isinstance(items, Sized):
        items = list(items)
    rendering.spend(len(items) * (1 + body // _CHARACTERS_PER_STEP))
    return list(items) if isinstance(items, dict | str) else items
