"""`check` doubts what reads differently from how it counts, and leaves its neighbours in peace."""

from pathlib import Path

import pytest

from engage.project.load import load_project
from tests.project.gallery import write


def doubts(root: Path, journey: str) -> list[str]:
    files = {"journeys/a.yaml": f"journey: a\n{journey}"}
    return [problem.message for problem in load_project(write(root, files)).problems]


def going(more: str = "", steps: str = "[{wait: 1 day}]") -> str:
    return f"trigger: {{event: Go}}\nentry: {{reentry: never{more}}}\nsteps: {steps}\n"


def on(cron: str) -> str:
    return f'trigger: {{schedule: {{cron: "{cron}", audience: vip}}}}\nsteps: [{{wait: 1 day}}]\n'


@pytest.mark.parametrize(
    ("cron", "doubted"),
    [("0 9 1-7 * tue", True), ("0 9 * * tue", False), ("0 9 1-7 * *", False), ("0 9 1 1 *", False)],
)
def test_a_cron_with_days_and_weekdays_runs_on_either(tmp_path: Path, cron: str, doubted: bool) -> None:
    told = doubts(tmp_path, on(cron))

    assert any("either is enough" in message for message in told) is doubted


@pytest.mark.parametrize(
    ("where", "doubted"),
    [
        ("entry.total >= '30'", True),
        ('entry.total < "4.5"', True),
        ("entry.total >= 30", False),
        ("entry.digits == '1'", False),
        ("entry.day > '2026-01-01'", False),
    ],
)
def test_a_text_that_looks_like_a_number_is_compared_with_none(
    tmp_path: Path, where: str, doubted: bool
) -> None:
    told = doubts(tmp_path, going(f", where: {where}"))

    assert any("is a text" in message for message in told) is doubted


@pytest.mark.parametrize(
    ("send", "status", "doubted"),
    [
        ("email", "answered", True),
        ("email", "opened", False),
        ("sms", "opened", True),
        ("sms", "clicked", False),
        ("voice", "replied", True),
        ("voice", "digits", False),
    ],
)
@pytest.mark.parametrize("form", ["step: s, status: {}", "branches: [{{step: s, status: {}}}]"])
def test_a_status_that_a_channel_never_has_is_waited_for_in_vain(
    tmp_path: Path, send: str, status: str, doubted: bool, form: str
) -> None:
    steps = f"\n  - {send}: {{text: Hi}}\n    id: s\n  - wait_for: {{timeout: 1 day, {form.format(status)}}}"

    told = doubts(tmp_path, going(steps=steps))

    assert any(f"`s` is never `{status}`" in message for message in told) is doubted


@pytest.mark.parametrize(
    ("first", "second", "doubted"),
    [
        ("run.n >= 7", "run.n >= 9", True),
        ("run.n >= 7", "run.n == 10", True),
        ("run.n >= 7", "run.n >= 9 and profile.vip == true", True),
        ("run.n > 7", "run.n > 7", True),
        ("run.n <= 6", "run.n < 6", True),
        ("run.n >= 9", "run.n >= 7", False),
        ("run.n > 7", "run.n >= 7", False),
        ("run.n >= 7", "run.m >= 9", False),
        ("run.n >= 7", "run.n <= 9", False),
        ("run.n >= 7 and profile.vip == true", "run.n >= 9", False),
        ("run.n >= 7", "run.n >= 9 or profile.vip == true", False),
        ("run.n >= 7", "not run.n >= 9", False),
    ],
)
def test_a_branch_behind_a_wider_one_is_reached_by_nobody(
    tmp_path: Path, first: str, second: str, doubted: bool
) -> None:
    steps = (
        "\n  - remember: {n: 1, m: 1}\n  - branch:"
        f"\n      - {{if: {first}, then: [{{wait: 1 day}}]}}\n      - {{if: {second}, then: [{{wait: 2 days}}]}}"
    )

    told = doubts(tmp_path, going(steps=steps))

    assert any("nobody comes here" in message for message in told) is doubted
