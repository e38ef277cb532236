"""A file that cannot be read is one mistake: what names it, or would need it, adds none."""

from pathlib import Path

import pytest

from engage.project.load import load_project
from tests.project.gallery import write

PROJECT = {
    "journeys/settings.yaml": "sms: {opt_out_text: Reply STOP}\ntopics: {news: {sms: opt_in, email: opt_out}}\n",
    "journeys/hello.yaml": "journey: hello\ntopic: news\ntrigger: {api: true}\nsteps:\n"
    "  - branch:\n      - if: in_audience('vip') and profile.ltv > 3\n        then: [{start: other}]\n"
    "  - sms: note\n  - email: note\n",
    "journeys/other.yaml": "journey: other\ntopic: news\ntrigger: {api: true}\nsteps: [{sms: note}]\n",
    "journeys/audiences/vip.yaml": "audience: vip\nwhere: profile.plan == 'pro'\n",
    "journeys/traits/ltv.yaml": "trait: ltv\nvalue: sum('Order Completed', 'total')\n",
    "journeys/tests/a.yaml": "scenario: a\nuse: [hello, other, vip, ltv, note]\ntimeline: [{at: 0s, forget: ada}]\n"
    "---\nscenario: b\nuse: [other, vip]\ntimeline: [{at: 0s, forget: ada}]\n",
    "templates/note/sms.txt": "Hello",
    "templates/note/email.html": "<p>Hello {{ unsubscribe_url }}</p>",
    "templates/note/meta.yaml": "subject: Hello\n",
}
FILES = [path for path in PROJECT if "/tests/" not in path and "hello" not in path and "meta" not in path]


def _told(root: Path) -> list[str]:
    return [str(problem) for problem in load_project(root).problems]


def test_the_project_itself_has_no_problems(tmp_path: Path) -> None:
    assert _told(write(tmp_path, PROJECT)) == []


@pytest.mark.parametrize("path", FILES)
def test_a_file_that_is_no_text_is_one_mistake(path: str, tmp_path: Path) -> None:
    file = write(tmp_path, PROJECT) / path
    file.write_bytes(file.read_bytes() + b"\xff")

    assert [line.rpartition("; ")[2] for line in _told(tmp_path)] == ["save it as UTF-8"]


@pytest.mark.parametrize("path", FILES)
def test_a_file_that_is_too_large_is_one_mistake(path: str, tmp_path: Path) -> None:
    file = write(tmp_path, PROJECT) / path
    file.write_bytes(file.read_bytes() + b"\n" * 1_000_001)

    assert _told(tmp_path) == [f"{path}:1:1: the file is larger than 1 MB; split it"]


@pytest.mark.parametrize("name", [" .yaml", "😀.yaml", "my file.yaml"])
@pytest.mark.parametrize(
    "path", [path for path in FILES if path.startswith("journeys") and "settings" not in path]
)
def test_a_file_without_a_proper_name_is_one_mistake(path: str, name: str, tmp_path: Path) -> None:
    file = write(tmp_path, PROJECT) / path
    file.rename(file.with_name(name))

    assert [line.partition(" is no name ")[2] for line in _told(tmp_path)] == [
        "for a file of a project; use letters, digits, `-` and `_`"
    ]


@pytest.mark.parametrize("name", ["settings.yml", "Settings.YAML", "settings .yaml"])
def test_settings_under_another_name_are_not_missed_by_everybody(name: str, tmp_path: Path) -> None:
    file = write(tmp_path, PROJECT) / "journeys/settings.yaml"
    file.rename(file.with_name(name))

    assert len(_told(tmp_path)) == 1


def test_whatever_else_is_wrong_is_still_told(tmp_path: Path) -> None:
    write(tmp_path, PROJECT | {"journeys/audiences/vip.yaml": "x" * 1_000_001})
    other = tmp_path / "journeys/other.yaml"
    other.write_text(other.read_text() + "exit_when: [{audience_left: vips}]\n")

    assert [line.rpartition(": ")[2] for line in _told(tmp_path)] == [
        "the file is larger than 1 MB; split it",
        "there is no audience `vips`; did you mean `vip`?",
    ]
