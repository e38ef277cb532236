"""The database is kept in order without anybody noticing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Thread

import pytest

from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import Mark
from engage.domain.profile.profile import Event
from engage.domain.turn.changes import Changes, Quarantined
from engage.ports.jobs import Job
from engage.storage.migrations.apply import migrate
from engage.storage.postgres import PostgresStore
from engage.storage.postgres.idempotency import PostgresIdempotencyKeys
from engage.storage.postgres.upkeep import SEEN_KEPT, keep_house
from tests.storage.conftest import create_database
from tests.storage.contract.given import NOON, delivery, event, fact, profile, profile_id, write

pytestmark = pytest.mark.live

ADA = profile_id("ada")
DAY = timedelta(days=1)
YEAR = 366 * DAY
THEN = NOON.replace(year=2040)
"""No month that a fresh database has by itself."""
_numbers = count()


@pytest.fixture
def fresh(postgres_url: str) -> Iterator[PostgresStore]:
    """A store of its own: partitions come and go here."""
    url = create_database(postgres_url, f"upkeep {next(_numbers)}")
    migrate(url)
    store = PostgresStore(url, min_size=1, max_size=2)
    yield store
    store.close()


def happened(days: float) -> Event:
    """Return an event of Ada's so many days after then."""
    return event("ada", "A", (THEN - NOON + days * DAY).total_seconds())


def partitions(store: PostgresStore) -> list[str]:
    """Return the partitions that hold events, by the month of each event."""
    with store.session() as session:
        rows = session.rows("SELECT tableoid::regclass::text FROM event ORDER BY timestamp")
    return [name for (name,) in rows]


def history(store: PostgresStore) -> list[datetime]:
    """Return when something happened to Ada."""
    with store.transaction() as tx:
        return [one.timestamp for one in tx.events.history([ADA], {"A": None})[ADA]]


def keep(store: PostgresStore, now: datetime) -> dict[str, int]:
    """Keep house with a year of events and 90 days of decisions."""
    return keep_house(store, now, events=YEAR, bodies=90 * DAY, decisions=90 * DAY, epoch=0)


def test_months_are_there_before_they_begin(fresh: PostgresStore) -> None:
    keep(fresh, THEN)

    write(fresh, Changes(events=[happened(day) for day in (-900, -30, 0, 31, 62, 92, 200)]))

    assert partitions(fresh) == [
        "event_default",
        "event_2040_06",
        "event_2040_07",
        "event_2040_08",
        "event_2040_09",
        "event_2040_10",
        "event_default",
    ]


def test_a_fresh_database_has_the_months_around_today(fresh: PostgresStore) -> None:
    today = (datetime.now(UTC) - THEN) / DAY

    write(fresh, Changes(events=[happened(today), happened(today + 31)]))

    assert "event_default" not in partitions(fresh)


def test_a_month_that_began_without_a_partition_stays_where_it_is(fresh: PostgresStore) -> None:
    write(fresh, Changes(events=[happened(0)]))

    keep(fresh, THEN)
    write(fresh, Changes(events=[happened(1), happened(31)]))

    assert partitions(fresh) == ["event_default", "event_default", "event_2040_08"]
    assert len(history(fresh)) == 3


def test_events_go_with_their_month_when_it_is_too_old(fresh: PostgresStore) -> None:
    keep(fresh, THEN)
    write(fresh, Changes(events=[happened(day) for day in (-400, -16, 0)]))

    keep(fresh, THEN + YEAR)

    assert history(fresh) == [THEN]


def test_decisions_are_kept_for_their_retention(fresh: PostgresStore) -> None:
    ages = (91 * DAY, 89 * DAY)
    write(
        fresh,
        Changes(
            decisions=[Decision(profile=ADA, at=NOON - age, kind=Decided.STEP, outcome="x") for age in ages]
        ),
    )

    assert keep(fresh, NOON)["decision"] == 1
    assert keep(fresh, NOON)["decision"] == 0


def test_a_message_is_known_again_for_a_month(fresh: PostgresStore) -> None:
    with fresh.transaction() as tx:
        tx.inbox.add(
            [fact(str(n), received_at=NOON - (SEEN_KEPT if n % 2 else 30 * DAY) - DAY / 2) for n in range(40)]
        )

    keep(fresh, NOON)

    with fresh.transaction() as tx:
        known = tx.inbox.add([fact(str(n)) for n in range(40)])
    assert known == [n % 2 == 1 for n in range(40)]


def test_answers_under_a_key_are_forgotten_after_a_day(fresh: PostgresStore) -> None:
    keys = PostgresIdempotencyKeys(fresh)
    keys.claim("s", "old", "d", "first", NOON - DAY * 1.1)
    keys.claim("s", "young", "d", "first", NOON - DAY * 0.9)

    assert keep(fresh, NOON)["idempotency"] == 1
    assert keys.claim("s", "young", "d", "second", NOON) == ("d", "first")


def test_an_ended_session_is_remembered_until_it_would_have_ended(fresh: PostgresStore) -> None:
    with fresh.transaction() as tx:
        tx.access.end_session(b"over", NOON - DAY)
        tx.access.end_session(b"copied", NOON - DAY / 100)

    assert keep(fresh, NOON)["ended_session"] == 1
    with fresh.transaction() as tx:
        assert (tx.access.has_ended(b"over"), tx.access.has_ended(b"copied")) == (False, True)


def test_two_processes_may_keep_house_at_once(fresh: PostgresStore) -> None:
    failures: list[BaseException] = []

    def try_it() -> None:
        try:
            keep(fresh, NOON)
        except BaseException as failure:  # whatever it is, the test must hear of it
            failures.append(failure)

    threads = [Thread(target=try_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert failures == []


def test_what_a_delivery_was_rendered_from_is_kept_for_its_retention(fresh: PostgresStore) -> None:
    said = {"text": "Your parcel is at the door", "context": {"entry": {"door": "blue"}}}
    done = delivery("ada", "done", Mark.ACCEPTED, Mark.DELIVERED, **said)
    held = delivery("ada", "held", Mark.HELD, **said)
    write(fresh, Changes(profiles={ADA: profile("ada")}, deliveries={one.id: one for one in (done, held)}))

    assert keep(fresh, NOON + 89 * DAY)["body"] == 0
    assert keep(fresh, NOON + 91 * DAY)["body"] == 1
    assert keep(fresh, NOON + 92 * DAY)["body"] == 0

    with fresh.transaction() as tx:
        left = tx.deliveries.get([done.id, held.id])
    assert (left[done.id].text, left[done.id].context, left[done.id].scrubbed) == (None, {}, True)
    assert left[done.id].marks == done.marks
    assert left[held.id] == held


def test_what_was_quarantined_and_jobs_that_are_done_go_in_time(fresh: PostgresStore) -> None:
    with fresh.transaction() as tx:
        for at in (NOON, NOON + 50 * DAY):
            poison = Quarantined(source="key", reason="poison", detail="", payload=b"x", received_at=at)
            tx.inbox.quarantine([poison])
        for name, end in (("old", NOON), ("young", NOON + 50 * DAY), ("open", None)):
            tx.jobs.save(Job(name=name, kind="broadcast", finished_at=end))

    gone = keep(fresh, NOON + 100 * DAY)

    assert (gone["quarantine"], gone["job"]) == (1, 1)
    with fresh.session() as session:
        names = session.rows("SELECT name FROM job WHERE kind = 'broadcast' ORDER BY name")
    assert names == [("open",), ("young",)]
