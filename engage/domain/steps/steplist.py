"""A list of steps inside a step or a journey: each item finds its form by its verb."""

import difflib
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from engage.domain.forms import mistake
from engage.domain.steps.base import Step

VERBS: dict[str, type[Step]] = {}
"""Every verb of the language; `engage.domain.steps` fills it: the one table row that a new step needs."""

OTHER_WORDS = {
    "if": "branch",
    "condition": "branch",
    "switch": "branch",
    "delay": "wait",
    "sleep": "wait",
    "pause": "wait",
    "mail": "email",
    "text": "sms",
    "call": "voice",
    "phone": "voice",
    "track": "emit",
    "event": "emit",
    "loop": "repeat",
    "test": "split",
    "ab_test": "split",
    "random": "split",
    "http": "webhook",
    "request": "webhook",
    "journey": "start",
    "stop": "exit",
    "end": "exit",
    "update": "set",
    "push": "sync",
    "agent": "handoff",
}
"""What other tools call our verbs."""

COMMON_KEYS = frozenset({"id", "note", "expires", "if_not_sent"})


def read_step(value: object) -> Step:
    """Return the step that one list item of a file stands for.

    Raises:
        PydanticCustomError: it is no step, has no verb, an unknown one, or several.
        pydantic.ValidationError: the form of its verb is wrong; positions are relative to the item.
    """
    if isinstance(value, Step):
        return value
    if not isinstance(value, dict):
        raise mistake("a step is a mapping with one verb", "write `- wait: 1 hour` or `- sms: template-name`")
    verbs = [key for key in value if key in VERBS]
    if len(verbs) > 1:
        raise mistake(
            f"a step has one verb, this one has {' and '.join(f'`{verb}`' for verb in verbs)}",
            "start the second one on a line of its own with `- `",
        )
    if not verbs:
        strangers = [str(key) for key in value if key not in COMMON_KEYS]
        if not strangers:
            raise mistake("a step needs a verb", "for instance `wait`, `email`, `sms`, `branch`")
        close = difflib.get_close_matches(strangers[0], VERBS, n=1)
        meant = OTHER_WORDS.get(strangers[0].lower()) or (close[0] if close else None)
        raise mistake(
            f"unknown step `{strangers[0]}`",
            f"did you mean `{meant}`?" if meant else "one of: " + ", ".join(sorted(VERBS)),
        )
    return VERBS[verbs[0]].model_validate(value)


StepField = Annotated[Step, PlainValidator(read_step), WithJsonSchema({"$ref": "#/$defs/Step"})]
StepList = tuple[StepField, ...]
