"""The store in memory keeps the contract."""

import pytest

from engage.storage.memory import MemoryStore, wait_for_threads
from engage.storage.memory.reading import MemoryReading
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


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore(wait=wait_for_threads)


@pytest.fixture
def reading(store: MemoryStore) -> MemoryReading:
    """What faces read of it."""
    return MemoryReading(store)


class TestMemoryAccess(AccessContract):
    """Users and tokens."""


class TestMemoryConsent(ConsentContract):
    """Consent."""


class TestMemoryShortLinks(ShortLinksContract):
    """Short links."""


class TestMemoryDefinitions(DefinitionsContract):
    """Definitions."""


class TestMemoryDeliveries(DeliveriesContract):
    """Deliveries."""


class TestMemoryUnderWay(UnderWayContract):
    """Chats and calls under way."""


class TestMemorySenders(SendersContract):
    """Senders."""


class TestMemoryFolds(FoldsContract):
    """Folds."""


class TestMemoryInbox(InboxContract):
    """Inbox."""


class TestMemoryListings(ListingsContract):
    """Providers' lists."""


class TestMemoryMerge(MergeContract):
    """Merge."""


class TestMemoryWorkers(WorkersContract):
    """Workers."""


class TestMemoryEvents(EventsContract):
    """Events."""


class TestMemoryPeople(PeopleContract):
    """People."""


class TestMemoryRuns(RunsContract):
    """Runs."""


class TestMemoryTimers(TimersContract):
    """Timers."""


class TestMemorySelection(SelectionContract):
    """People by rule."""


class TestMemoryJobs(JobsContract):
    """Jobs."""


class TestMemoryPersonReading(PersonReadingContract):
    """One person's page."""


class TestMemoryProjectReading(ProjectReadingContract):
    """Lists and numbers."""
