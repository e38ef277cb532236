"""The store in PostgreSQL keeps the contract."""

import pytest

from engage.storage.postgres import PostgresStore
from engage.storage.postgres.reading import PostgresReading
from tests.storage.contract.access import AccessContract
from tests.storage.contract.consents import ConsentContract, DefinitionsContract
from tests.storage.contract.deliveries import DeliveriesContract, SendersContract
from tests.storage.contract.inbox import InboxContract
from tests.storage.contract.merging import JobsContract, MergeContract, WorkersContract
from tests.storage.contract.people import EventsContract, PeopleContract
from tests.storage.contract.reading_person import PersonReadingContract
from tests.storage.contract.reading_project import ProjectReadingContract
from tests.storage.contract.runs import RunsContract, TimersContract

pytestmark = pytest.mark.live


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


class TestPostgresDefinitions(DefinitionsContract):
    """Definitions."""


class TestPostgresDeliveries(DeliveriesContract):
    """Deliveries."""


class TestPostgresSenders(SendersContract):
    """Senders."""


class TestPostgresInbox(InboxContract):
    """Inbox."""


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


class TestPostgresJobs(JobsContract):
    """Jobs."""


class TestPostgresPersonReading(PersonReadingContract):
    """One person's page."""


class TestPostgresProjectReading(ProjectReadingContract):
    """Lists and numbers."""
