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


@pytest.mark.parametrize(
    ("choose", "told"),
    [
        ("{pck: {ada: a}}", "`choose`: there is no split `pck`; did you mean `pick`?"),
        ("{pick: {ada: z}}", "`choose`: the split `pick` has no arm `z`; its arms are: `a`, `b`"),
    ],
)
def test_a_split_or_an_arm_that_is_not_there_is_told_before_anything_happens(
    tmp_path: Path, choose: str, told: str
) -> None:
    split = "{split: {arms: {a: {weight: 1}, b: {weight: 1}}}, id: pick}"
    text = "\n".join(
        [
            "scenario: s",
            f"journeys: [{{journey: j, trigger: {{event: Go}}, steps: [{split}]}}]",
            f"choose: {choose}",
            "timeline: [{at: 0s, track: ada, event: Go}]",
        ]
    )
    [result] = run_scenarios([_written(tmp_path, text)]).results

    assert result.failures == (told,)


def test_whatever_was_not_sent_is_told_with_its_reason(tmp_path: Path) -> None:
    text = "\n".join(
        [
            "scenario: s",
            "journeys: [{journey: j, trigger: {event: Go}, steps: [{sms: {text: hi}}]}]",
            "timeline:",
            "  - {at: 0s, track: ada, event: Go}",
            "  - {at: 0s, expect: {sent: {count: 1}}}",
        ]
    )
    [result] = run_scenarios([_written(tmp_path, text)]).results

    assert result.failures == ("line 5, at 0s: sent.count: expected 1, got 0 (not sent: no_address 1)",)
