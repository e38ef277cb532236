"""JSON Schema of every kind of file, for completion in editors; generated from the forms themselves."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, NoDefault

from engage.domain.steps import VERBS
from engage.domain.steps.base import Step
from engage.project.kinds import FORMS, Kind
from engage.project.scenario import ITEMS, ScenarioForm
from engage.project.template_forms import FILES
from engage.project.words.keys import COMMON, words_of

SCENARIO = "scenario"
META = "meta"
KINDS = (
    Kind.JOURNEY,
    Kind.AUDIENCE,
    Kind.TRAIT,
    SCENARIO,
    Kind.SETTINGS,
    Kind.LAW,
    META,
    "voice",
    "whatsapp",
)
"""What `schema` knows; the last three are the YAML files of a template."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one kind of file.

    Raises:
        KeyError: there is no such kind.
    """
    if kind == SCENARIO:
        found = _scenario()
    elif kind in FILES:
        found = form_schema(FILES[kind])
    else:
        found = form_schema(FORMS[Kind(kind)]) if kind in FORMS else _unknown(kind)
    if kind == Kind.JOURNEY:
        _add_steps(found)
        found = _with_references(found)
    return {"$schema": _DIALECT, **found, "title": kind}


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of every kind."""
    return {str(kind): schema(kind) for kind in KINDS}


def _unknown(kind: str) -> dict[str, Any]:
    raise KeyError(kind)


_STEP_REF = {"$ref": "#/$defs/Step"}
_STEP_HERE = {"type": "object", "title": "a step of the language"}


class _Generator(GenerateJsonSchema):
    """Takes the forms' `#/$defs/Step` for what it is, a definition added afterwards; keeps only plain defaults."""

    def get_default_value(self, schema: Any) -> Any:
        # Durations, times and whole forms read differently from how they are written: an editor does without them.
        found = super().get_default_value(schema)
        return found if isinstance(found, str | bool | int) or found == () else NoDefault

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        found = super().generate_inner(schema)
        return dict(_STEP_HERE) if found == _STEP_REF else found


def form_schema(form: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of one form by itself, with what its keys mean."""
    found = form.model_json_schema(by_alias=True, schema_generator=_Generator)
    common = COMMON if issubclass(form, Step) else {}
    for name, part in ((form.__name__, found), *found.get("$defs", {}).items()):
        for key, value in part.get("properties", {}).items():
            if words := words_of(name, key) or (common.get(key) if part is found else None):
                value["description"] = words
    return found


def _with_references(value: Any) -> Any:
    """Put the reference to a step back where one stands."""
    if value == _STEP_HERE:
        return _STEP_REF
    if isinstance(value, dict):
        return {key: _with_references(below) for key, below in value.items()}
    return [_with_references(below) for below in value] if isinstance(value, list) else value


def _add_steps(found: dict[str, Any]) -> None:
    """Put every verb where the forms only say "a step"."""
    definitions: dict[str, Any] = found.setdefault("$defs", {})
    for verb, form in sorted(VERBS.items()):
        step = form_schema(form)
        definitions.update(step.pop("$defs", {}))
        step["required"] = sorted({*step.get("required", ()), verb})
        definitions[f"step_{verb}"] = step
    definitions["Step"] = {"anyOf": [{"$ref": f"#/$defs/step_{verb}"} for verb in sorted(VERBS)]}


def _scenario() -> dict[str, Any]:
    found = form_schema(ScenarioForm)
    definitions: dict[str, Any] = found.setdefault("$defs", {})
    for verb, form in ITEMS.items():
        item = form_schema(form)
        definitions.update(item.pop("$defs", {}))
        definitions[f"item_{verb}"] = item
    found["properties"]["timeline"]["items"] = {"anyOf": [{"$ref": f"#/$defs/item_{verb}"} for verb in ITEMS]}
    return found
