"""Which account a server runs as, and what that account can reach.

PostgreSQL refuses to run as root, so root hands the servers to an unprivileged account that exists already; nobody else changes.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from engage.embedded.errors import EmbeddedError

NOBODY_UID = 65534  # Debian, Fedora, Alpine; the kernel's overflow uid
CANDIDATES = ("nobody", "daemon")


@dataclass(frozen=True, kw_only=True)
class Account:
    """The operating-system account a server runs as; `is_other` if that is not the calling one."""

    uid: int
    gid: int
    is_other: bool

    def can_enter(self, folder: Path) -> bool:
        """Whether this account can walk down to `folder`, by mode bits (access lists are not read)."""
        real = folder.resolve()
        return all(self._has(part, read=False) for part in (real, *real.parents))

    def can_run(self, program: Path) -> bool:
        """Whether this account can read and execute the file `program`."""
        return self._has(program, read=True) and self.can_enter(program.parent)

    def _has(self, path: Path, *, read: bool) -> bool:
        try:
            status = path.stat()
        except OSError:
            return False
        if status.st_uid == self.uid:
            bits = stat.S_IXUSR | (stat.S_IRUSR if read else 0)
        elif status.st_gid == self.gid:
            bits = stat.S_IXGRP | (stat.S_IRGRP if read else 0)
        else:
            bits = stat.S_IXOTH | (stat.S_IROTH if read else 0)
        return status.st_mode & bits == bits


def account_for(existing: Path) -> Account:
    """Return the account to run as: the caller's own, or for root the owner of the data in `existing`, else `nobody`.

    Raises:
        EmbeddedError: the data belongs to somebody else, or root finds no unprivileged account.
    """
    uid, gid = os.geteuid(), os.getegid()
    owner = existing.stat() if existing.is_dir() else None
    if uid != 0:
        if owner is not None and owner.st_uid != uid:
            raise EmbeddedError(
                f"{existing} belongs to uid {owner.st_uid}, this process is uid {uid}: "
                "run as the account that made it, remove it, or choose another ENGAGE_DATA_DIR"
            )
        return Account(uid=uid, gid=gid, is_other=False)
    if owner is not None and owner.st_uid != 0:
        return Account(uid=owner.st_uid, gid=owner.st_gid, is_other=True)
    return _unprivileged()


def _unprivileged() -> Account:
    # initdb looks its own account up by uid, so a bare number without an entry would not do.
    known = [entry for entry in pwd.getpwall() if entry.pw_uid == NOBODY_UID]
    known += [entry for name in CANDIDATES for entry in pwd.getpwall() if entry.pw_name == name]
    for entry in known:
        if entry.pw_uid != 0:
            return Account(uid=entry.pw_uid, gid=entry.pw_gid, is_other=True)
    raise EmbeddedError(
        "PostgreSQL does not run as root and this system has no account `nobody`: "
        "run as a normal user or set ENGAGE_DATABASE_URL and ENGAGE_BROKER_URL"
    )
