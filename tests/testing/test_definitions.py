"""Which definitions and which house rules a scenario is played with."""

from pathlib import Path

import pytest

from engage.testing import run_scenarios
from tests.project.gallery import write

PROJECT = {
    "journeys/settings.yaml": "topics: {offers: {sms: opt_in}}\nquiet_hours: off\n",
    "journeys/offer.yaml": """\
journey: offer
topic: offers
trigger: {event: Go}
entry: {reentry: never}
steps: [{sms: {text: hi}}]
""",
}


def play(root: Path, *more: str, skipped: bool) -> None:
    body = (
        "skipped: [{reason: not_opted_in}], messages: []"
        if skipped
        else "skipped: [], messages: [{body: hi}]"
    )
    text = "\n".join(
        [
            "scenario: s",
            *more,
            "timeline:",
            '  - {at: 0s, identify: ada, traits: {phone: "+14155550101"}}',
            "  - {at: 0s, track: ada, event: Go}",
            f"  - {{at: 0s, expect: {{{body}}}}}",
        ]
    )
    report = run_scenarios([_written(root, text)])
    assert report.ok, "\n".join(report.lines())


def _written(root: Path, text: str) -> Path:
    file = write(root, PROJECT) / "journeys" / "tests" / "s.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_project_settings_apply_with_use(tmp_path: Path) -> None:
    play(tmp_path, "use: [offer]", skipped=True)


def test_settings_of_the_scenario_replace_the_projects(tmp_path: Path) -> None:
    play(
        tmp_path,
        "use: [offer]",
        "settings: {quiet_hours: off, topics: {offers: {sms: opt_out}}}",
        skipped=False,
    )


@pytest.mark.parametrize("more", ["", "settings: {timezone: Europe/Berlin, quiet_hours: off}"])
def test_without_topics_everything_is_subscribed(tmp_path: Path, more: str) -> None:
    inline = "journeys: [{journey: j, topic: anything, trigger: {event: Go}, steps: [{sms: {text: hi}}]}]"

    play(tmp_path, inline, *([more] if more else []), skipped=False)
