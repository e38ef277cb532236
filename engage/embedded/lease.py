"""One starter per data folder: a file lock that the operating system takes back when its holder dies."""

import fcntl
import os
import weakref
from pathlib import Path

_held: weakref.WeakSet["Lease"] = weakref.WeakSet()


class Lease:
    """Ownership of one service's folder, until `release` or the end of this process.

    A forked child does not share it: workers that outlive their starter must not keep the folder occupied.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        _held.add(self)

    @classmethod
    def take(cls, path: Path) -> "Lease | None":
        """Return the lease on `path`, or None while another holder (another process or this one) has it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def release(self) -> None:
        """Let the next starter in; a second call changes nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _forget_in_child() -> None:
    for lease in list(_held):
        lease.release()


os.register_at_fork(after_in_child=_forget_in_child)
