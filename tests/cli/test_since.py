"""Since when somebody has a trait is shown, and exported with all that is remembered of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.conftest import Author

pytestmark = pytest.mark.live

YEAR = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def told(plan: str | None, hours: int) -> dict[str, Any]:
    at = (YEAR + timedelta(hours=hours)).isoformat()
    return {"type": "identify", "userId": "ada", "timestamp": at, "traits": {"plan": plan}}


def test_since_when_is_shown_and_exported(shop: Author) -> None:
    shop.happen(*(told("pro", hours) for hours in (1, 5, 3)), told("free", 2), told("pro", 4))
    expected = {
        "changed_at": "2026-03-01T12:30:00Z",
        "written_at": [f"2026-03-01T{hour}:30:00Z" for hour in (12, 13, 14)],
        "other_value_at": "2026-03-01T11:30:00Z",
    }

    assert shop.json("profile", "show", "ada")["trait_times"] == {"plan": expected}
    assert "plan = 'pro'  since 2026-03-01 12:30:00" in shop.run("profile", "show", "ada")
    (row,) = json.loads(shop.run("profile", "export", "ada"))["held"]["profile"]
    assert row["trait_times"] == {"plan": expected}


def test_a_deleted_trait_is_remembered_as_such(shop: Author) -> None:
    shop.happen(told("pro", 1), told(None, 2))

    page = shop.json("profile", "show", "ada")

    assert page["traits"] == {}
    assert page["trait_times"]["plan"]["changed_at"] == "2026-03-01T11:30:00Z"
