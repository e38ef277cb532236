"""An edit without a change of meaning is no change; every other edit is one."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from engage.compiled import sources_of
from engage.project.load import load_project, load_source
from engage.project.plan.meaning import meaning_of
from engage.project.template_files import TemplateSource

REPOSITORY = Path(__file__).resolve().parents[2]

JOURNEY = """
journey: j
trigger: {event: Go, where: event.total >= 20}
steps:
  - wait: 1 hour
  - sms: {text: "Hi {{ profile.name }}"}
  - split: {arms: {a: {weight: 50}, b: {weight: 50}}}
    id: ab
  - wait_for: {event: Done, timeout: 2 days, where: "event.ok == true", then: [{exit: done}]}
"""


def meaning(text: str, kind: str = "journey", name: str = "j") -> str:
    form, problems = load_source(kind, name, text)
    assert isinstance(form, BaseModel | TemplateSource), problems
    return meaning_of(form)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("wait: 1 hour", "wait: 60m"),
        ("wait: 1 hour", "wait: '1 hour'   # one"),
        ("event.total >= 20", "(event.total)   >= 20.0"),
        ("event: Go,", "event: [Go],"),
        ("{{ profile.name }}", "{{profile.name}}"),
        ("weight: 50}, b", "weight: 50.0}, b"),
        ("id: ab", "id: 'ab'"),
        ('"event.ok == true"', "event.ok == true"),
        ("trigger:", "entry: {while_inside: ignore}\ntrigger:"),
        ("trigger:", "description: ''\ntrigger:"),
    ],
)
def test_another_way_to_write_it_means_the_same(before: str, after: str) -> None:
    assert before in JOURNEY

    assert meaning(JOURNEY.replace(before, after)) == meaning(JOURNEY)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("wait: 1 hour", "wait: 61m"),
        (">= 20", "> 20"),
        ("Hi ", "Hi  "),
        ("profile.name", "profile.first_name"),
        ("a: {weight: 50}, b: {weight: 50}", "b: {weight: 50}, a: {weight: 50}"),
        ("timeout: 2 days", "timeout: 2 days, any_key: true"),
        ("exit: done", "exit: finished"),
        ("trigger:", "holdout: 5%\ntrigger:"),
        ("trigger:", "description: What it is for.\ntrigger:"),
    ],
)
def test_every_other_edit_is_a_change(before: str, after: str) -> None:
    assert before in JOURNEY

    assert meaning(JOURNEY.replace(before, after)) != meaning(JOURNEY)


def test_the_long_form_of_a_wait_names_its_steps_differently_and_is_a_change() -> None:
    short = "{event: Done, timeout: 2 days, then: [{exit: done}]}"
    long = "{timeout: 2 days, branches: [{event: Done, then: [{exit: done}]}]}"
    text = "journey: j\ntrigger: {api: true}\nsteps: [{wait_for: %s}]"

    assert meaning(text % short) != meaning(text % long)


def test_of_a_template_comments_in_yaml_are_nothing_and_every_letter_of_its_texts_counts() -> None:
    files = '{"sms.txt": "Hi", "meta.yaml": "subject: Hi"}'

    assert meaning(files.replace("subject: Hi", "# said\\nsubject: 'Hi'"), "template") == meaning(
        files, "template"
    )
    assert meaning(files.replace('"Hi"', '"Hi "'), "template") != meaning(files, "template")


def test_every_definition_of_the_sample_shop_has_a_meaning_of_its_own() -> None:
    sources = sources_of(load_project(REPOSITORY))

    assert [source.name for source in sources if source.meaning is None] == []
    assert len({source.checksum for source in sources}) == len(sources)
