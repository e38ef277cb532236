"""The store in memory: serialisable enough to stand in for PostgreSQL in tests, scenarios and simulations."""

from engage.storage.memory.locks import LockTable, wait_for_threads
from engage.storage.memory.store import MemoryStore

__all__ = ["LockTable", "MemoryStore", "wait_for_threads"]
