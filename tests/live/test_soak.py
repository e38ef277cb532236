"""Under steady load memory stays where it was and nothing goes missing; `python -m tests.live.soak` is the long form."""

from pathlib import Path

import pytest

from tests.live.soak import soak, verdict
from tests.live.stack import running_stack

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(600)]


def test_two_minutes_of_load_leave_memory_flat_and_lose_nothing(services_dir: Path) -> None:
    with running_stack(services_dir / "soak") as stack:
        found = verdict(stack, soak(stack, minutes=2.0))

    assert found["stored"] == found["sent"]
    assert (found["quarantined"], found["waiting"]) == (found["bad"], 0)
    assert found["grown"] == []
