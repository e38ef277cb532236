"""A process that is killed at any commit or call, and started again, keeps every promise."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.crash.story import Stories, Told, stories

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]

ROOMS = {
    *("publish", "call", "import", "no", "send", "receive", "forget"),
    *("digest", "deliver", "settle", "backfill", "broadcast"),
}
"""Where the story must have points: accept, merge and erase are seen as what they are asked by (`call`, `forget`) and in digest."""
SAMPLE = 8
"""Points that every change is tried at; all of them in `make nightly`."""


@pytest.fixture(scope="module")
def told(postgres_url: str, services_dir: Path) -> Iterator[Stories]:
    folder = services_dir / "crash"
    folder.mkdir(exist_ok=True)
    with stories(postgres_url, folder) as found:
        yield found


def undisturbed(told: Stories) -> Told:
    calm = told.tell(0)
    assert calm.broken == []
    return calm


def tell_all(told: Stories, points: list[int]) -> Counter[str]:
    """Kill a life at each of these points; return how often it died at which kind of point."""
    killed: Counter[str] = Counter()
    for point in points:
        story = told.tell(point)
        assert story.broken == [], f"killed at point {point}, {story.killed_at}:\n" + "\n".join(story.broken)
        if story.killed_at is not None:
            killed[story.killed_at] += 1
    return killed


def test_every_room_has_points_and_a_sample_of_them_kills_no_promise(told: Stories) -> None:
    calm = undisturbed(told)
    assert {point.partition(":")[0] for point in calm.passed} >= ROOMS

    last = len(calm.passed)
    killed = tell_all(told, [1 + last * index // SAMPLE for index in range(SAMPLE)])

    print(f"killed at {killed.total()} of {last} points: {dict(killed)}")
    assert killed.total() >= SAMPLE - 1


@pytest.mark.slow
def test_no_point_at_all_kills_a_promise(told: Stories) -> None:
    calm = undisturbed(told)

    killed = tell_all(told, list(range(1, len(calm.passed) + 1)))

    print(f"killed at {killed.total()} of {len(calm.passed)} points: {dict(killed)}")
    assert killed.total() >= 0.9 * len(calm.passed)
