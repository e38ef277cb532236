"""Become another program: drop privileges, tie its life to its starter's, then exec.

Run as a script by `process.py` (`python -I -S _exec.py UID GID PARENT SIGNAL COMMAND…`); standard library only, because the
package above it may live where the unprivileged account cannot read. A separate program rather than `preexec_fn`: Python
code between fork and exec is unsafe once the starter has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
KEEP = -1  # as uid or gid: stay who we are


def become(uid: int, gid: int) -> None:
    """Give up root for good: groups first, then gid, then uid, because afterwards we may not."""
    if uid == KEEP:
        return
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with(parent: int, death_signal: int) -> None:
    """Ask Linux to send `death_signal` when the thread that started us ends; elsewhere do nothing.

    Must come after `become`: the kernel clears the request when the uid changes.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked: nobody would ever tell us
        sys.exit(f"the starting process {parent} is gone")


def main(argv: list[str]) -> None:
    """Exec the command in `argv[4:]`; exits with a message where the account cannot be taken."""
    uid, gid, parent, death_signal = (int(word) for word in argv[:4])
    command = argv[4:]
    try:
        become(uid, gid)
    except OSError as exc:
        sys.exit(f"cannot become uid {uid}, gid {gid}: {exc.strerror}")
    os.umask(0o077)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and ignored signals survive exec
    die_with(parent, death_signal)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
