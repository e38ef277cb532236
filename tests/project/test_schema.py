"""The JSON Schemas are generated from the forms, complete, and resolve by themselves."""

from collections.abc import Iterator
from typing import Any

import pytest

from engage.domain.steps import VERBS
from engage.project.scenario import ITEMS
from engage.project.schema import KINDS, schema, schemas


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for below in value.values():
            yield from _references(below)
    elif isinstance(value, list):
        for below in value:
            yield from _references(below)


@pytest.mark.parametrize("kind", KINDS)
def test_every_reference_of_a_schema_is_inside_it(kind: str) -> None:
    found = schema(kind)

    assert {ref.removeprefix("#/$defs/") for ref in _references(found)} <= set(found.get("$defs", {}))
    assert found["additionalProperties"] is False


def test_the_journey_schema_knows_every_verb() -> None:
    steps = schema("journey")["$defs"]["Step"]["anyOf"]

    assert {step["$ref"].removeprefix("#/$defs/step_") for step in steps} == set(VERBS)


def test_the_scenario_schema_knows_every_item() -> None:
    items = schema("scenario")["properties"]["timeline"]["items"]["anyOf"]

    assert len(items) == len(ITEMS)


def test_an_editor_is_told_what_a_key_means() -> None:
    journey = schema("journey")

    assert journey["properties"]["holdout"]["description"].startswith("the share of people")
    assert journey["$defs"]["WaitBranch"]["properties"]["status"]["description"].startswith("beside `step`")
    assert journey["$defs"]["step_email"]["properties"]["expires"]["description"].startswith("how long after")
    mute = [
        f"{name}.{key}"
        for name, part in (("journey", journey), *journey["$defs"].items())
        for key, value in part.get("properties", {}).items()
        if "description" not in value and name != "ReachChannel" and key not in VERBS and key != "short"
    ]
    assert mute == []


def test_there_is_one_for_every_kind_and_no_other() -> None:
    assert set(schemas()) == {
        "journey",
        "audience",
        "trait",
        "scenario",
        "settings",
        "law",
        "meta",
        "voice",
        "whatsapp",
    }
    with pytest.raises(KeyError):
        schema("template")
    with pytest.raises(KeyError):
        schema("nonsense")
