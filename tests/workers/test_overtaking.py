"""Lanes that somebody waits for are digested each to its end, not all of them before the first has come to it."""

from collections.abc import Collection
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from engage.engine.digest.digest import BATCH, Digested
from workers import tasks


class Lanes:
    """So many facts in each lane; a turn takes the oldest `BATCH` of those it is given, of each lane as many."""

    def __init__(self, **facts: int) -> None:
        self.facts = {int(lane.removeprefix("lane")): count for lane, count in facts.items()}
        self.turns: list[list[int]] = []

    def turn(self, lanes: Collection[int], _now: datetime, *, wait: bool) -> Digested:
        assert wait
        self.turns.append(sorted(lanes))
        for lane in lanes:
            self.facts[lane] = max(0, self.facts[lane] - BATCH // len(lanes))
        return Digested(more=any(self.facts[lane] for lane in lanes))


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> Lanes:
    found = Lanes(lane1=10, lane2=2_000, lane3=700, lane4=10_000)
    engine = SimpleNamespace(
        digest=found, clock=SimpleNamespace(now=lambda: datetime(2026, 3, 1, tzinfo=UTC))
    )
    monkeypatch.setattr(tasks, "runtime", lambda: engine)
    return found


def test_lanes_without_a_backlog_share_a_turn(lanes: Lanes) -> None:
    lanes.facts = dict.fromkeys(lanes.facts, 10)

    assert list(tasks._overtake([1, 2, 3])) == []
    assert lanes.turns == [[1, 2, 3]]


def test_lanes_with_a_backlog_come_to_its_end_one_after_the_other(lanes: Lanes) -> None:
    assert list(tasks._overtake([1, 2, 3])) == []
    assert lanes.turns == [[1, 2, 3], [1], [2], [2], [2], [2], [3], [3]]


def test_a_lane_whose_backlog_is_long_does_not_keep_the_others(lanes: Lanes) -> None:
    assert list(tasks._overtake([4, 3])) == [4]
    assert lanes.turns == [[3, 4], [4], [4], [4], [4], [3]]
