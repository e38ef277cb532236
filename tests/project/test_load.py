"""A project folder is read whole, safely, and gives back what a worker needs to compile it again."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage.domain.audience.audience import Audience
from engage.domain.journey.journey import Journey
from engage.domain.project_settings import ProjectSettings
from engage.project.kinds import Kind, read_definition
from engage.project.load import load_project, load_source
from engage.project.problem import Level, Problem, in_order
from engage.project.template_files import TemplateSource
from tests.project.gallery import write

GOOD = {
    "journeys/welcome.yaml": "journey: welcome\ntopic: news\ntrigger: {api: true}\nsteps:\n  - email: hello\n",
    "journeys/audiences/vip.yaml": "audience: vip\nwhere: profile.plan == 'pro'\n",
    "journeys/traits/ltv.yaml": "trait: ltv\nvalue: sum('Order Completed', 'total')\n",
    "journeys/settings.yaml": "timezone: Europe/Berlin\ntopics: {news: {email: opt_out}}\n",
    "journeys/tests/hello.yaml": "scenario: hello\ntimeline: [{at: 0s, forget: ada}]\n",
    "templates/hello/email.html": "<p>Hello</p>",
    "templates/hello/meta.yaml": "subject: Hello\n",
    "templates/cart/reminder/sms.txt": "Hi",
    "templates/_shared/footer/note.html": "bye",
}


def test_a_good_project_has_no_problems(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, GOOD))

    assert project.problems == []
    assert project.ok
    assert project.settings.timezone == "Europe/Berlin"
    assert set(project.journeys) == {"welcome"}
    assert set(project.audiences) == {"vip"}
    assert set(project.traits) == {"ltv"}
    assert set(project.templates) == {"hello", "cart/reminder", "_shared"}
    assert project.templates["hello"].files == {
        "email.html": "<p>Hello</p>",
        "meta.yaml": {"subject": "Hello"},
    }
    assert project.templates["_shared"].files == {"footer/note.html": "bye"}
    assert [scenario.name for scenario in project.scenarios] == ["hello"]


def test_what_is_stored_compiles_to_what_was_loaded(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, GOOD))

    for key, text in project.sources.items():
        kind, _, name = key.partition("/")
        form, problems = load_source(kind, name, text)
        assert problems == []
        match form:
            case Journey():
                assert form.name == name
            case Audience():
                assert form.name == name
            case TemplateSource():
                assert form == project.templates[name]
            case ProjectSettings():
                assert form == project.settings
            case _:
                assert kind == "trait"


def test_the_source_of_a_template_does_not_depend_on_the_order_of_its_files(tmp_path: Path) -> None:
    first = load_project(write(tmp_path, GOOD)).sources["template/hello"]
    (tmp_path / "templates/hello/meta.yaml").unlink()
    (tmp_path / "templates/hello/email.html").unlink()
    write(
        tmp_path, {path: GOOD[path] for path in ("templates/hello/meta.yaml", "templates/hello/email.html")}
    )

    assert load_project(tmp_path).sources["template/hello"] == first


def test_a_damaged_source_is_a_problem_not_an_accident() -> None:
    assert load_source("template", "x", "{")[0] is None
    assert load_source("journey", "x", "{")[0] is None


def test_an_empty_settings_file_means_the_defaults() -> None:
    assert load_source("settings", "settings", "# nothing\n") == (ProjectSettings(), [])


def test_a_folder_without_journeys_is_no_project(tmp_path: Path) -> None:
    assert [problem.message for problem in load_project(tmp_path).problems] == ["no `journeys` folder here"]


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("journey: secret\n")
    root = tmp_path / "project"
    root.mkdir()
    write(root, GOOD)
    (root / "journeys/secret.yaml").symlink_to(outside)
    (root / "templates/out").symlink_to(tmp_path)

    problems = load_project(root).problems

    assert [(problem.path, problem.line) for problem in problems] == [
        ("journeys/secret.yaml", 1),
        ("templates/out", 1),
    ]
    assert all("leads out of the project" in problem.message for problem in problems)


def test_files_that_are_no_text_are_pointed_out(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "journeys/bad.yaml").write_bytes(b"journey: bad\ntitle: \xff\n")
    (tmp_path / "journeys/big.yaml").write_bytes(b"#" * 1_000_001)

    problems = load_project(tmp_path).problems

    assert [str(problem) for problem in problems] == [
        "journeys/bad.yaml:2:8: the file is not UTF-8 text; save it as UTF-8",
        "journeys/big.yaml:1:1: the file is larger than 1 MB; split it",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_pointed_out(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "journeys/welcome.yaml").chmod(0)

    assert "cannot be read" in load_project(tmp_path).problems[0].message


def test_hidden_files_and_editor_backups_are_left_alone(tmp_path: Path) -> None:
    write(
        tmp_path,
        {**GOOD, "journeys/.x.yaml": "[", "journeys/welcome.yaml~": "[", "templates/hello/.DS_Store": "x"},
    )

    assert load_project(tmp_path).problems == []


def test_all_mistakes_of_all_files_come_in_one_go(tmp_path: Path) -> None:
    broken = {path: text.replace(":", ": ]", 1) for path, text in GOOD.items() if path.endswith(".yaml")}
    write(tmp_path, broken)

    assert {problem.path for problem in load_project(tmp_path).problems} >= set(broken)


def test_problems_are_told_once_in_the_order_of_the_files() -> None:
    one = Problem(path="b", line=1, column=2, message="m", hint="h")
    two = Problem(path="a", line=9, column=1, message="m", level=Level.WARNING)

    assert in_order([one, two, one]) == [two, one]
    assert str(one) == "b:1:2: m; h"
    assert str(two) == "a:9:1: warning: m"
    assert one.as_json() == {
        "path": "b",
        "line": 1,
        "column": 2,
        "level": "error",
        "message": "m",
        "hint": "h",
    }


_LINES = st.sampled_from(
    [
        *"\n".join(GOOD.values()).splitlines(),
        "  - wait: 1 hour",
        "  - branch:",
        "      - if: x",
        "    then: []",
        "[",
        "{{ x }}",
    ]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([Kind.JOURNEY, Kind.AUDIENCE, Kind.TRAIT, Kind.SETTINGS]), st.lists(_LINES, max_size=9)
)
def test_no_file_makes_check_fall_over(kind: Kind, lines: list[str]) -> None:
    _, problems = read_definition(kind, "a", "\n".join(lines), "x")

    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)


def test_a_file_that_cannot_be_read_is_told_once_and_not_by_every_scenario_that_uses_it(
    tmp_path: Path,
) -> None:
    tests = tmp_path / "journeys/tests"
    tests.mkdir(parents=True)
    (tmp_path / "journeys/a.yaml").write_bytes("journey: a\ntitle: Körbchen\n".encode("latin-1"))
    (tests / "a.yaml").write_text("scenario: s\nuse: [a]\ntimeline: [{at: 0s, track: ada, event: Go}]\n")

    told = [str(problem) for problem in load_project(tmp_path).problems]

    assert told == ["journeys/a.yaml:2:9: the file is not UTF-8 text; save it as UTF-8"]
