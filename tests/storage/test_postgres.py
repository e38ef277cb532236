"""The store in PostgreSQL keeps the contract."""

import threading
import time

import pytest

from engage.storage.postgres import PostgresStore
from engage.storage.postgres.reading import PostgresReading
from tests.storage.contract.access import AccessContract
from tests.storage.contract.consents import ConsentContract, DefinitionsContract
from tests.storage.contract.deliveries import DeliveriesContract
from tests.storage.contract.folding import FoldsContract
from tests.storage.contract.inbox import InboxContract
from tests.storage.contract.listings import ListingsContract
from tests.storage.contract.merging import JobsContract, MergeContract, WorkersContract
from tests.storage.contract.people import EventsContract, PeopleContract
from tests.storage.contract.reading_person import PersonReadingContract
from tests.storage.contract.reading_project import ProjectReadingContract
from tests.storage.contract.runs import RunsContract, TimersContract
from tests.storage.contract.selection import SelectionContract
from tests.storage.contract.senders import SendersContract
from tests.storage.contract.short_links import ShortLinksContract
from tests.storage.contract.under_way import UnderWayContract

pytestmark = pytest.mark.live

_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def store(postgres_store: PostgresStore) -> PostgresStore:
    """An empty store."""
    return postgres_store


@pytest.fixture
def reading(store: PostgresStore) -> PostgresReading:
    """What faces read of it."""
    return PostgresReading(store)


class TestPostgresAccess(AccessContract):
    """Users and tokens."""


class TestPostgresConsent(ConsentContract):
    """Consent."""


class TestPostgresShortLinks(ShortLinksContract):
    """Short links."""


class TestPostgresDefinitions(DefinitionsContract):
    """Definitions."""


class TestPostgresDeliveries(DeliveriesContract):
    """Deliveries."""


class TestPostgresUnderWay(UnderWayContract):
    """Chats and calls under way."""


class TestPostgresSenders(SendersContract):
    """Senders."""


class TestPostgresFolds(FoldsContract):
    """Folds."""


class TestPostgresInbox(InboxContract):
    """Inbox."""


class TestPostgresListings(ListingsContract):
    """Providers' lists."""


class TestPostgresMerge(MergeContract):
    """Merge."""


class TestPostgresWorkers(WorkersContract):
    """Workers."""


class TestPostgresEvents(EventsContract):
    """Events."""


class TestPostgresPeople(PeopleContract):
    """People."""


class TestPostgresRuns(RunsContract):
    """Runs."""


class TestPostgresTimers(TimersContract):
    """Timers."""


class TestPostgresSelection(SelectionContract):
    """People by rule."""


class TestPostgresJobs(JobsContract):
    """Jobs."""


class TestPostgresPersonReading(PersonReadingContract):
    """One person's page."""


class TestPostgresProjectReading(ProjectReadingContract):
    """Lists and numbers."""


def test_who_waits_for_a_lane_gets_it_before_those_who_only_try(store: PostgresStore) -> None:
    got: list[list[int]] = []

    def wait() -> None:
        with store.transaction() as tx:
            got.append(tx.inbox.lock_lanes([5], wait=True))

    waiting = threading.Thread(target=wait)
    with store.transaction() as holder:
        assert holder.inbox.lock_lanes([5]) == [5]
        waiting.start()
        deadline = time.monotonic() + 10
        with store.session() as session:
            while time.monotonic() < deadline and not session.one(_WAITING):
                time.sleep(0.01)
            assert session.one(_WAITING) == 1
        assert got == []
    waiting.join(10)

    assert got == [[5]]
