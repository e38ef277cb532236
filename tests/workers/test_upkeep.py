"""Upkeep says what it removed, and goes on where folding is long."""

from datetime import UTC, datetime
from typing import Any

import pytest

from engage.domain.ids import ProfileId, uuid7
from engage.engine.retain import Folded
from workers import tasks

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
ADA = ProfileId(uuid7(NOON, "ada"))
REMOVED = {"seen": 3, "event": 2, "job": 1}
"""By table; one is called as the log calls its lines."""


class Housekeeper:
    """An engine that has done its house until somebody."""

    def __init__(self, after: ProfileId | None) -> None:
        self.after, self.begun = after, list[Folded | None]()

    def keep_house(self, so_far: Folded | None = None) -> tuple[dict[str, int], Folded]:
        self.begun.append(so_far)
        return REMOVED, Folded(NOON, 7, self.after)


@pytest.mark.parametrize("after", [None, ADA])
def test_upkeep_ends_well_and_goes_on_where_there_is_more(
    monkeypatch: pytest.MonkeyPatch, after: ProfileId | None
) -> None:
    engine, hinted = Housekeeper(after), list[Any]()
    monkeypatch.setattr(tasks, "runtime", lambda: engine)
    monkeypatch.setattr(tasks.upkeep, "apply_async", lambda args, **_: hinted.append(args))

    tasks.upkeep()
    for args in hinted[:]:
        tasks.upkeep(*args)

    begun = [None] if after is None else [None, Folded(NOON, 7, ADA)]
    assert engine.begun == begun
    assert len(hinted) == (0 if after is None else 2)
