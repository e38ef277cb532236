"""A circle that only its own length ends: a hundred thousand steps, too many for a scenario among the others."""

from pathlib import Path

import pytest

from engage.testing import run_scenarios

CIRCLE = """\
scenario: loops in loops that wait for nothing
journeys:
  - journey: j
    trigger: {event: Go}
    steps:
      - repeat: {times: 1000, steps: [{repeat: {times: 1000, steps: [{repeat: {times: 1000, steps: [{wait: 0s}]}}]}}]}
timeline:
  - {at: 0s, track: ada, event: Go}
  - {at: 0s, expect: {runs: {j: {ended: {loop_limit: 1}}}}}
"""


@pytest.mark.parametrize("live", [False, pytest.param(True, marks=[pytest.mark.live, pytest.mark.slow])])
def test_loops_in_loops_that_wait_for_nothing_end(tmp_path: Path, live: bool) -> None:
    file = tmp_path / "circle.yaml"
    file.write_text(CIRCLE, encoding="utf-8")

    report = run_scenarios([file], live=live)

    assert report.ok, "\n".join(report.lines())
