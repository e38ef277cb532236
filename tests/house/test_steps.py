"""The steps of the schema are one chain, and a release can be prepared before it runs."""

import re
from pathlib import Path

STEPS = sorted((Path(__file__).resolve().parents[2] / "engage/storage/migrations/versions").glob("[0-9]*.py"))
RELEASED = "0001"
"""The newest step of the last release."""


def said(path: Path, name: str) -> str | None:
    found = re.search(rf'^{name} = (?:"(\d+)"|None)$', path.read_text(), re.MULTILINE)
    assert found is not None, path.name
    return found[1]


def test_steps_are_numbered_once_and_each_follows_the_one_before() -> None:
    numbers = [path.name.partition("_")[0] for path in STEPS]

    assert numbers == [f"{number:04}" for number in range(1, len(STEPS) + 1)]
    assert [said(path, "revision") for path in STEPS] == numbers
    assert [said(path, "down_revision") for path in STEPS] == [None, *numbers[:-1]]


def test_what_is_taken_away_comes_after_everything_that_the_release_adds() -> None:
    """Else what is added could not be there before the release runs: `migrate --before` stops at the first step `after`."""
    ends = [path.stem.rpartition("_")[2] for path in STEPS if path.name > f"{RELEASED}_~"]

    assert set(ends) <= {"before", "after"}
    assert ends == sorted(ends, key=("before", "after").index)
