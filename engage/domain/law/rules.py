"""The forms of a rule pack: what a jurisdiction asks for, with its source and the day from which it holds."""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from engage.domain.forms import ChannelField, DurationField, Form, KebabName, PlainText, mistake
from engage.domain.project_settings import WallTime
from engage.domain.steps.waiting import WeekdaysField
from engage.domain.timing import parse_date_text

_PLACE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?\Z")
_HOLIDAY = re.compile(r"(?:(\d\d)-(\d\d)|easter([+-]\d{1,2})?)\Z")


class Requirement(StrEnum):
    """What a message or its topic must have; looked at by `engage check`, before anything is sent."""

    OPT_IN = "opt_in"
    OPT_OUT_TEXT = "opt_out_text"
    IDENTIFICATION = "identification"
    POSTAL_ADDRESS = "postal_address"
    UNSUBSCRIBE_LINK = "unsubscribe_link"


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    day = parse_date_text(value) if isinstance(value, str) else None
    if day is None:
        raise mistake(f"`{value}` is not a day", "write `2025-09-01`")
    return day


def _place(value: object) -> str:
    if not isinstance(value, str) or _PLACE.match(value) is None:
        raise mistake(f"`{value}` is not a place", "write a country (`FR`) or a state (`US-FL`)")
    return value


def _holiday(value: object) -> str:
    found = _HOLIDAY.match(value) if isinstance(value, str) else None
    if found is None or (found[1] and not _is_a_day(int(found[1]), int(found[2]))):
        raise mistake(f"`{value}` is not a holiday", 'write `"12-25"`, `easter` or `easter+39`')
    return found[0]


def _is_a_day(month: int, day: int) -> bool:
    return parse_date_text(f"2000-{month:02}-{day:02}") is not None


DayField = Annotated[date, PlainValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
PlaceField = Annotated[str, PlainValidator(_place), WithJsonSchema({"type": "string"})]
HolidayField = Annotated[str, PlainValidator(_holiday), WithJsonSchema({"type": "string"})]


class Hours(Form):
    """When the law lets us speak, on the wall clock of the place: `from` inclusive, `to` exclusive, within one day."""

    days: WeekdaysField = ()
    """None: every day."""
    from_: WallTime = Field(alias="from")
    to: WallTime

    @model_validator(mode="after")
    def _in_order(self) -> "Hours":
        if self.from_ >= self.to:
            raise mistake(
                "`from` is before `to`, on the same day", "write two windows for hours over midnight"
            )
        return self


class Limit(Form):
    """At most `count` accepted messages and calls in a rolling `per`."""

    count: int = Field(ge=1)
    per: DurationField
    same_topic: bool = False
    """Only those of the same topic count: "on the same subject"."""
    on_limit: Literal["skip", "hold"] = "skip"


class Rule(Form):
    """One rule of one jurisdiction."""

    id: KebabName
    title: PlainText
    source: PlainText
    """Where it is written."""
    effective: DayField
    """The first day on which it holds, at the place."""
    ends: DayField | None = None
    """The last day on which it holds; none: it still does."""
    places: tuple[PlaceField, ...] = Field(min_length=1)
    """Countries (`FR`) and states (`US-FL`); a country covers its states."""
    channels: tuple[ChannelField, ...] = Field(min_length=1)
    scope: Literal["marketing", "all"] = "marketing"
    """`marketing`: transactional topics are free of it. `all`: they are not."""
    hours: tuple[Hours, ...] = ()
    closed_on: tuple[HolidayField, ...] = ()
    """Days without hours: `"12-25"`, or counted from Easter Sunday: `easter+1`."""
    limit: Limit | None = None
    words: tuple[PlainText, ...] = ()
    """Texts that, as a whole and in any case, are a STOP."""
    requires: tuple[Requirement, ...] = ()
    note: PlainText = ""
    """What else to know. A rule of which only this is written is kept by the engine for everybody."""

    @model_validator(mode="after")
    def _says_something(self) -> "Rule":
        if not (self.hours or self.limit or self.words or self.requires or self.note):
            raise mistake(
                f"the rule `{self.id}` says nothing",
                "give it `hours`, `limit`, `words`, `requires` or `note`",
            )
        if self.closed_on and not self.hours:
            raise mistake("`closed_on` takes days out of `hours`", "say `hours` too")
        return self

    def holds_on(self, day: date) -> bool:
        """Return whether the rule is in force on a day."""
        return self.effective <= day and (self.ends is None or day <= self.ends)


class LawPack(Form):
    """The rules of one jurisdiction, as one file; `version` names its state in every decision."""

    law: KebabName
    version: PlainText
    title: PlainText
    note: PlainText = ""
    rules: tuple[Rule, ...]

    @model_validator(mode="before")
    @classmethod
    def _ids_are_unique(cls, data: Any) -> Any:
        rules = data.get("rules") if isinstance(data, dict) else None
        seen: set[str] = set()
        for rule in rules if isinstance(rules, list) else ():
            name = rule.get("id") if isinstance(rule, dict) else None
            if isinstance(name, str) and name in seen:
                raise mistake(f"two rules are called `{name}`", "give each its own id")
            seen.add(str(name))
        return data
