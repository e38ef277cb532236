"""Where an expression stands decides which names it may use and how it may speak of time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """The places of the language in which an expression or a text may stand."""

    #: `where` and `key` of a trigger.
    TRIGGER_WHERE = "trigger_where"
    #: `entry.where`: may this person enter.
    ENTRY_WHERE = "entry_where"
    #: `people` of a signal, judged for every candidate.
    PEOPLE = "people"
    #: `order` of a signal.
    ORDER = "order"
    #: `where` of `wait_for`, `exit_when` and `goal`; `value` of `goal`.
    WAIT = "wait"
    #: `when:` of `wait_for` and `exit_when`: true on becoming true, also by the clock alone.
    WHEN = "when"
    #: `if`, `while`, `at`, `to`, and `key` of `start`.
    STEP = "step"
    #: `where` of an audience.
    AUDIENCE = "audience"
    #: `value` of a computed trait.
    TRAIT = "trait"
    #: Any other string of a journey, with `{{ }}`.
    TEXT = "text"
    #: The text of a message: what was given beside it and its links are known too.
    MESSAGE = "message"
    #: Texts in which `secret('NAME')` may stand: headers and body of a webhook, a voice script.
    SECRET_TEXT = "secret_text"  # noqa: S105 -- the name of a place, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a place allows besides `profile` and the functions."""

    label: str
    event: bool = False
    entry: bool = False
    run: bool = False
    #: Time only as `instant <op> ago(D)`/`ahead(D)` or within `within/since/before`.
    timed: bool = False
    secret: bool = False
    #: `with.<name>`, `unsubscribe_url` and the other links.
    message: bool = False


RULES: dict[Place, Rules] = {
    Place.TRIGGER_WHERE: Rules(label="the trigger", event=True, entry=True),
    Place.ENTRY_WHERE: Rules(label="`entry.where`", entry=True),
    Place.PEOPLE: Rules(label="`people`", entry=True),
    Place.ORDER: Rules(label="`order`", entry=True),
    Place.WAIT: Rules(label="`where` and `value`", event=True, entry=True, run=True),
    Place.WHEN: Rules(label="`when`", entry=True, run=True, timed=True),
    Place.STEP: Rules(label="a step", entry=True, run=True),
    Place.AUDIENCE: Rules(label="an audience", timed=True),
    Place.TRAIT: Rules(label="a computed trait", timed=True),
    Place.TEXT: Rules(label="a text", event=True, entry=True, run=True),
    Place.MESSAGE: Rules(label="a message", event=True, entry=True, run=True, message=True),
    Place.SECRET_TEXT: Rules(label="a text", event=True, entry=True, run=True, secret=True),
}
