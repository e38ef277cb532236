"""Both stores audit their ledger alike."""

import pytest

from engage.ports.auditing import Auditing
from engage.ports.storage import Store
from engage.storage.memory import MemoryStore, wait_for_threads
from engage.storage.memory.reading import MemoryReading
from engage.storage.postgres import PostgresStore
from engage.storage.postgres.reading import PostgresReading
from tests.storage.contract.auditing import AuditingContract


class TestMemoryAuditing(AuditingContract):
    """In memory."""

    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore(wait=wait_for_threads)

    @pytest.fixture
    def auditing(self, store: MemoryStore) -> Auditing:
        return MemoryReading(store)


@pytest.mark.live
class TestPostgresAuditing(AuditingContract):
    """In PostgreSQL."""

    @pytest.fixture
    def store(self, postgres_store: PostgresStore) -> Store:
        return postgres_store

    @pytest.fixture
    def auditing(self, store: PostgresStore) -> Auditing:
        return PostgresReading(store)
