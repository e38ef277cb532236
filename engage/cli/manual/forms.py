"""The reference's pages about files: journeys, audiences, traits, project settings, scenarios."""

from collections.abc import Mapping
from datetime import time, timedelta
from importlib import resources
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engage.cli.manual import examples as examples
from engage.cli.manual.markdown import prose, table, yaml
from engage.cli.manual.words import UndocumentedError, word
from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.journey.journey import Entry, ExitRule, Goal, Journey, Migration
from engage.domain.journey.trigger import Trigger
from engage.domain.project_settings import ProjectSettings
from engage.domain.steps import VERBS
from engage.domain.steps.base import Step
from engage.domain.steps.reach import ReachChannel
from engage.domain.steps.steplist import COMMON_KEYS
from engage.domain.timing import format_duration
from engage.project.scenario import ITEMS, ScenarioForm
from engage.project.scenario.expect import Expected
from engage.project.scenario.form import Choices
from engage.project.schema import form_schema
from engage.project.words.keys import COMMON, words_of


def starter(path: str) -> str:
    """Return a file of the project that `engage init` makes: it is known to pass."""
    return (resources.files("engage.project") / "starter" / path).read_text()


def journeys_page() -> str:
    """Return the page."""
    lines = [
        "# Journeys",
        "",
        "`journeys/NAME.yaml`: who enters, what happens to them, when they leave.",
        "",
        *yaml("", starter("journeys/welcome.yaml")),
        "",
        *form_table(Journey),
    ]
    lines += ["", "## Triggers", "", "Exactly one of these; `where` and `key` stand beside it."]
    for name in Trigger.FORMS:
        lines += [
            "",
            f"### {name}",
            "",
            word(examples.TRIGGER_WORDS, name, "trigger"),
            "",
            *yaml("trigger:", word(examples.TRIGGERS, name, "trigger")),
        ]
        for below in _forms_of(Trigger.model_fields[name].annotation).values():
            lines += ["", *form_table(below)]
        if name in examples.TRIGGER_NOTES:
            lines += ["", examples.TRIGGER_NOTES[name]]
    lines += ["", "Keys of a trigger:", "", *form_table(Trigger)]
    for title, form in (("Entry", Entry), ("Goal", Goal), ("Exit rules", ExitRule), ("Migration", Migration)):
        lines += ["", f"## {title}", "", prose(form.__doc__ or ""), "", *form_table(form)]
    common = [(f"`{key}`", word(COMMON, key, "key")) for key in sorted(COMMON_KEYS)]
    lines += ["", "## Steps", "", "Each item of `steps` has one verb. Beside it may stand:"]
    lines += ["", *table(("key", "meaning"), common)]
    for verb, step in sorted(VERBS.items()):
        lines += [
            "",
            f"### {verb}",
            "",
            prose(step.__doc__ or ""),
            "",
            *yaml("", word(examples.STEPS, verb, "step")),
        ]
        for below in _forms_of(step.model_fields[verb].annotation).values():
            lines += ["", *form_table(below)]
            for key, deeper in _forms_below(below).items():
                if deeper is not ReachChannel:
                    lines += ["", f"Keys of `{key}`:", "", *form_table(deeper)]
        if verb in examples.STEP_NOTES:
            lines += ["", examples.STEP_NOTES[verb]]
    return "\n".join(lines)


def audiences_page() -> str:
    """Return the page."""
    audience = "audience: regulars\nwhere: count('Order Completed', within='90 days') >= 3"
    manual = "audience: beta-testers\nmembers: manual"
    trait = "trait: lifetime_value\nvalue: sum('Order Completed', 'total')"
    return "\n".join(
        [
            "# Audiences and computed traits",
            "",
            "`journeys/audiences/NAME.yaml` and `journeys/traits/NAME.yaml`: who belongs to what, and what is computed about people.",
            "",
            "## Audiences",
            "",
            prose(Audience.__doc__ or ""),
            "",
            *yaml("", audience),
            "",
            *yaml("", manual),
            "",
            *form_table(Audience),
            "",
            "## Computed traits",
            "",
            prose(ComputedTrait.__doc__ or ""),
            "",
            *yaml("", trait),
            "",
            *form_table(ComputedTrait),
        ]
    )


def project_settings_page() -> str:
    """Return the page."""
    lines = [
        "# Project settings",
        "",
        "`journeys/settings.yaml`: the house rules. Every journey is bound by them; no journey can waive them.",
        "",
        *yaml("", starter("journeys/settings.yaml")),
        "",
        *form_table(ProjectSettings),
    ]
    for name, form in sorted(_forms_below(ProjectSettings).items()):
        lines += ["", f"## {name}", "", prose(form.__doc__ or ""), "", *form_table(form)]
    return "\n".join(lines)


def scenarios_page() -> str:
    """Return the page."""
    lines = [
        "# Scenarios",
        "",
        "`journeys/tests/*.yaml`: tests a marketer can write; `engage test` runs them on a virtual clock.",
        "",
        *yaml("", starter("journeys/tests/welcome.yaml")),
        "",
        *form_table(ScenarioForm),
        "",
        "## Items of the timeline",
        "",
        "Each has `at`: an offset from `start` (`2d 4h`) or an instant. Keys besides those shown stand in the schema (`engage schema scenario`).",
        "",
    ]
    rows = [(f"`{verb}`", prose(form.__doc__ or "")) for verb, form in ITEMS.items()]
    lines += table(("item", "form"), rows)
    lines += ["", "## What plays the others", "", *examples.SCENARIO_NOTES]
    lines += ["", "## expect", "", prose(Expected.__doc__ or ""), "", *form_table(Expected)]
    return "\n".join(lines)


def _forms_below(form: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the forms that stand in the values of a form's keys, by key."""
    found: dict[str, type[BaseModel]] = {}
    for name, field in form.model_fields.items():
        for below in _forms_of(field.annotation).values():
            found.setdefault(field.alias or name, below)
    return found


def _forms_of(annotation: Any) -> dict[str, type[BaseModel]]:
    """Return the forms of which a value is made, by their names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {} if annotation is Step else {annotation.__name__: annotation}
    found: dict[str, type[BaseModel]] = {}
    for part in getattr(annotation, "__args__", ()):
        found |= _forms_of(part)
    return found


def form_table(form: type[BaseModel]) -> list[str]:
    schema = form_schema(form)
    written = {field.alias or name: field for name, field in form.model_fields.items()}
    rows = [
        (f"`{name}`", _type(value), _default(written[name]), _meaning(form, name))
        for name, value in schema.get("properties", {}).items()
        if name != "short"
    ]
    return table(("key", "value", "default", "meaning"), rows)


def _meaning(form: type[BaseModel], key: str) -> str:
    words = words_of(form.__name__, key)
    if words is None:
        raise UndocumentedError(f"key `{key}` of `{form.__name__}`")
    return words


def _type(schema: Mapping[str, Any]) -> str:
    """Return in words what a value is."""
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "const" in schema:
        return f"`{str(schema['const']).lower()}`"
    if "examples" in schema and schema.get("type") == "string":
        return "duration"
    if "anyOf" in schema:
        parts = [_type(part) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(parts))
    kind = schema.get("type")
    if kind == ["string", "boolean", "number"]:
        return "expression"
    if isinstance(kind, list):
        return " or ".join(_WORDS.get(str(part), str(part)) for part in kind if part != "null")
    if kind == "array":
        items = schema.get("items", {})
        is_step = items.get("title") == "a step of the language" or items.get("$ref", "").endswith("/Step")
        return "list of steps" if is_step else f"list of {_type(items)}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        below = _type(schema["additionalProperties"])
        return "mapping" if below == "any value" else f"mapping to {below}"
    if kind is None:
        return "mapping" if "$ref" in schema else "any value"
    return _WORDS.get(str(kind), str(kind))


_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "object": "mapping",
    "array": "list",
}


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    match value:
        case None | "" | () | BaseModel() | Choices():
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case timedelta():
            return f"`{format_duration(value)}`"
        case time():
            return f'`"{value:%H:%M}"`'
        case tuple() | list():
            return ", ".join(f"`{item}`" for item in value)
        case dict():
            return ""
        case _:
            return f"`{value}`"
