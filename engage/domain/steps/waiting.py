"""Steps that let time pass: `wait` and `wait_until`."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from engage.domain.expression import Place, Text, parse_instant, text_of
from engage.domain.forms import (
    DurationField,
    Form,
    expression_field,
    mistake,
    read_duration,
    read_duration_or_text,
)
from engage.domain.project_settings import WallTime, zone_name
from engage.domain.steps.base import Due, End, Go, Looked, Move, Node, Park, Step, Stimulus, Walk
from engage.domain.timing import (
    Weekday,
    civil,
    next_at,
    next_open,
    parse_date_text,
    parse_instant_text,
    parse_weekday,
)


def weekdays(value: object) -> tuple[Weekday, ...]:
    """Read `[mon, tue]`."""
    if not isinstance(value, list | tuple):
        raise mistake("`weekdays` is a list", "write `weekdays: [mon, tue, wed, thu, fri]`")
    days = []
    for item in value:
        day = item if isinstance(item, Weekday) else parse_weekday(str(item))
        if day is None:
            raise mistake(f"`{item}` is not a day of the week", "one of: mon tue wed thu fri sat sun")
        days.append(day)
    return tuple(days)


def person_or_zone(value: object) -> str:
    """Read a zone or the word `person`."""
    return "person" if value == "person" else zone_name(value)


WeekdaysField = Annotated[
    tuple[Weekday, ...],
    PlainValidator(weekdays),
    WithJsonSchema({"type": "array", "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}}),
]
PersonZone = Annotated[str, PlainValidator(person_or_zone), WithJsonSchema({"type": "string"})]


def _until(walk: Walk, due: datetime, zone: ZoneInfo | None = None) -> Park:
    """Wait, and say until when and by whose wall."""
    walk.note("waits", None, {"until": due.isoformat(), **({} if zone is None else {"zone": zone.key})})
    return Park(due)


class Wait(Step):
    """Wait an elapsed time from arrival; nothing unrelated touches it."""

    verb: ClassVar[str] = "wait"
    wait: Annotated[
        timedelta | Text, PlainValidator(read_duration_or_text), WithJsonSchema({"type": "string"})
    ]

    def waits(self) -> bool:
        """A run stands here until its timer fires."""
        return True

    def enter(self, walk: Walk, node: Node) -> Move:
        """Set the timer."""
        if isinstance(self.wait, timedelta):
            return _until(walk, walk.now + self.wait)
        value = self.wait.value(walk.scope())
        duration = read_duration(value)
        if duration is None:
            walk.note("waited", "no_duration", {"wait": None if value is None else text_of(value)})
            return Go(node.after)
        return _until(walk, walk.now + duration)

    def resume(self, walk: Walk, node: Node, stimulus: Stimulus) -> Move | None:
        """Go on when the time is over."""
        return Go(node.after) if isinstance(stimulus, Due) else None


class WaitUntilForm(Form):
    """The four ways to name an instant: a time of day, an opening, an instant of the person's, or its civil day."""

    time: WallTime | None = None
    between: tuple[WallTime, WallTime] | None = None
    weekdays: WeekdaysField = ()
    zone: PersonZone | None = None
    at: expression_field(Place.STEP) | None = None  # type: ignore[valid-type]  # built by a factory
    before: DurationField | None = None
    after: DurationField | None = None
    days_before: int | None = Field(default=None, ge=0, le=3660)
    follow: bool = False
    if_past: Literal["go_on", "exit"] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "WaitUntilForm":
        if self.at is not None:
            self._check_at()
        elif self.between is not None:
            if self.time is not None:
                raise mistake("`between` and `time` exclude each other")
            if self.between[0] == self.between[1]:
                raise mistake("`between` opens and closes at one time", 'write `["09:00", "20:00"]`')
        elif self.time is None:
            raise mistake("`wait_until` needs `time`, `between` or `at`")
        if self.at is None and (self.before or self.after or self.days_before is not None or self.follow):
            raise mistake("`before`, `after`, `days_before` and `follow` go with `at`")
        return self

    def _check_at(self) -> None:
        if self.if_past is None:
            raise mistake(
                "`if_past` is missing beside `at`",
                "say what happens if it is over: `if_past: go_on` or `exit`",
            )
        if self.between is not None:
            raise mistake("`between` and `at` exclude each other")
        if self.before is not None and self.after is not None:
            raise mistake("`before` and `after` exclude each other")
        if (self.days_before is None) != (self.time is None):
            raise mistake("`days_before` and `time` go together", '`{at: …, days_before: 1, time: "18:00"}`')

    def target(self, walk: Walk) -> datetime | None:
        """Return the instant that `at` names, or None if it names none, or one beyond the calendar."""
        try:
            return self._target(walk)
        except OverflowError:
            return None

    def _target(self, walk: Walk) -> datetime | None:
        assert self.at is not None
        value, zone = self.at.value(walk.scope()), walk.zone_of(self.zone)
        if self.zone is not None and isinstance(value, str):
            # A day and time without an offset is an instant only where a zone stands beside it.
            value = parse_instant_text(value.strip(), zone) or value
        if self.days_before is not None and self.time is not None:
            day = _civil_day(value, zone)
            return None if day is None else _evening_before(day, self.days_before, self.time, zone)
        instant = parse_instant(value, zone)
        if instant is None:
            return None
        return instant - (self.before or timedelta()) + (self.after or timedelta())


def _civil_day(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, str):
        day = parse_date_text(value)
        if day is not None:
            return day
    instant = parse_instant(value, zone)
    return None if instant is None else instant.astimezone(zone).date()


def _evening_before(day: Any, days: int, at: Any, zone: ZoneInfo) -> datetime:
    return civil(day - timedelta(days=days), at, zone)


class WaitUntil(Step):
    """Wait for the next such instant strictly after now; `between`: at once when inside."""

    verb: ClassVar[str] = "wait_until"
    wait_until: WaitUntilForm

    def waits(self) -> bool:
        """A run stands here until its timer fires."""
        return True

    def enter(self, walk: Walk, node: Node) -> Move:
        """Plan the instant, or go on if it is over."""
        form = self.wait_until
        days: Collection[Weekday] = form.weekdays
        if form.at is None:
            zone = walk.zone_of(form.zone)
            if form.between is not None:
                opening = next_open(walk.now, form.between[0], form.between[1], days, zone)
                return Go(node.after) if opening <= walk.now else _until(walk, opening, zone)
            assert form.time is not None
            return _until(walk, next_at(walk.now, form.time, days, zone), zone)
        return self._planned(walk, node)

    def _planned(self, walk: Walk, node: Node) -> Move:
        target = self.wait_until.target(walk)
        if target is not None and target > walk.now:
            return _until(walk, target, walk.zone_of(self.wait_until.zone))
        walk.note("past", None, {"at": None if target is None else target.isoformat()})
        return End("exit") if self.wait_until.if_past == "exit" else Go(node.after)

    def resume(self, walk: Walk, node: Node, stimulus: Stimulus) -> Move | None:
        """Go on at the instant; with `follow`, plan again when the value has changed."""
        if isinstance(stimulus, Due):
            return Go(node.after)
        if isinstance(stimulus, Looked) and self.wait_until.follow:
            target = self.wait_until.target(walk)
            if target != walk.run.due_at:
                return self._planned(walk, node)
        return None
