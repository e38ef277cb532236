"""Locking: the name of a worker, held for as long as its process lives, so that others know whether it may be calling."""

from typing import Protocol


class WorkerLock(Protocol):
    """A worker's name that is held."""

    def keep(self) -> None:
        """Make sure that it is still held: a database that was restarted has forgotten it. Cheap where nothing happened.

        Raises:
            StorageAwayError: the database is away.
            StorageBusyError: the name is still held by the connection that broke; try again.
        """
        ...
