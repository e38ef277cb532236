"""Whom a broadcast or a signal is about is asked of SQL: nobody it is about is left out, and few others are loaded."""

from typing import Any

import pytest

from engage.domain.catalog import LiveJourney
from engage.domain.ids import ProfileId
from engage.domain.journey.journey import Journey
from engage.engine.broadcast import crowd
from engage.engine.broadcast.crowd import Page, next_page
from engage.ports.selecting import Given
from engage.ports.storage import Store
from engage.storage.postgres.session import Connection
from tests.domain.expression.asking import DAY, NOW
from tests.storage.conftest import empty
from tests.storage.expression_sql.asking import Somebody, changes_of, person_of

pytestmark = pytest.mark.live

ENTRY = {"sku": "x"}


def journey(trigger: dict[str, Any]) -> LiveJourney:
    """Return a journey with this trigger."""
    return LiveJourney(
        Journey.model_validate({"journey": "news", "trigger": trigger, "steps": [{"wait": "1 day"}]}), 1
    )


def pages(store: Store, live: LiveJourney) -> list[Page]:
    """Return page after page until nobody is left."""
    found: list[Page] = []
    after: ProfileId | None = None
    while not found or not found[-1].last:
        with store.transaction() as tx:
            found.append(next_page(tx, live, Given(now=NOW, entry=ENTRY), after, crowd.BATCH))
        after = found[-1].upto
    return found


@pytest.fixture
def forty(own_store: Store, connection: Connection) -> list[ProfileId]:
    """Forty people; every fifth asked for the article, every tenth is in the audience."""
    connection.rollback()
    empty(connection)
    asked = [("A", DAY, {"a": "x"})]
    people = [
        person_of(
            number,
            Somebody(
                traits={},
                events=asked if number % 5 == 0 else [],
                audiences=frozenset({"vip"}) if number % 10 == 0 else frozenset(),
            ),
        )
        for number in range(40)
    ]
    with own_store.transaction() as tx:
        tx.write(changes_of(people))
    return [person.id for person in people]


def test_a_signal_looks_at_whom_it_is_about(
    own_store: Store, forty: list[ProfileId], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "STRETCH", 7)
    monkeypatch.setattr(crowd, "BATCH", 3)
    rule = {"signal": "Restocked", "people": "entry.sku in values('A', 'a', within='90 days')"}
    found = pages(own_store, journey(rule))
    assert [key for page in found for key in page.people] == sorted(forty[::5])
    assert sum(page.passed for page in found) == len(forty)
    assert max(len(page.people) for page in found) <= 3


def test_a_broadcast_to_an_audience_looks_at_its_members(
    own_store: Store, forty: list[ProfileId], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "BATCH", 3)
    for trigger in (
        {"schedule": {"cron": "0 9 * * mon", "zone": "UTC", "audience": "vip"}},
        {"audience": {"entered": "vip"}, "existing": "include"},
    ):
        found = pages(own_store, journey(trigger))
        assert [key for page in found for key in page.people] == sorted(forty[::10])


def test_whom_nobody_describes_is_everybody(own_store: Store, forty: list[ProfileId]) -> None:
    [page] = pages(own_store, journey({"schedule": {"cron": "0 9 * * mon", "zone": "UTC"}}))
    assert page.people == sorted(forty)
