"""One owner per service: the first process starts it, later ones attach, the owner's end is the service's end."""

import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from engage.embedded.errors import EmbeddedError
from engage.embedded.lease import Lease
from engage.embedded.place import Place
from engage.embedded.process import Child, tail

ATTACH_PATIENCE = timedelta(seconds=60)  # a first start makes the database; a crashed one replays its log
POLL = timedelta(milliseconds=5)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """How to reach a running service."""

    url: str
    socket: Path
    pid: int


class Service:
    """A running embedded service: `url`, the `socket` behind it, the server's `pid`."""

    def __init__(self, endpoint: Endpoint, stop: Callable[[], None] | None) -> None:
        self.url = endpoint.url
        self.socket = endpoint.socket
        self.pid = endpoint.pid
        self._stop = stop

    @property
    def is_owner(self) -> bool:
        """Whether this handle started the service; only then does `stop` stop it."""
        return self._stop is not None

    def stop(self) -> None:
        """Shut the service down cleanly and wait for it; nothing on an attached handle, nothing the second time."""
        if self._stop is not None:
            stop, self._stop = self._stop, None
            stop()


def own_or_attach(
    place: Place, start: Callable[[], tuple[Endpoint, Callable[[], None]]]
) -> tuple[Endpoint, Callable[[], None] | None]:
    """Run `start` as the owner of `place`, or return the endpoint another owner has announced.

    Raises:
        EmbeddedError: `start` failed, or an owner lives but announces nothing that answers within a minute.
    """
    deadline = time.monotonic() + ATTACH_PATIENCE.total_seconds()
    while True:
        lease = _take(place)
        if lease is not None:
            return _own(place, lease, start)
        endpoint = _announced(place)
        if endpoint is not None and answers(endpoint.socket):
            return endpoint, None
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"another process holds {place.lock} but its {place.name} does not answer: see {place.log}"
            )
        time.sleep(POLL.total_seconds())


def wait_until(ready: Callable[[], bool], child: Child, *, limit: timedelta, log: Path) -> None:
    """Poll `ready` while `child` runs.

    Raises:
        EmbeddedError: the child ended (its last lines are in the message), or is not ready within `limit`.
    """
    deadline = time.monotonic() + limit.total_seconds()
    while not ready():
        if not child.is_running:
            raise EmbeddedError(f"{child.command[0]} ended with code {child.wait()}:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{child.command[0]} is not ready after {limit}:\n{tail(log)}")
        time.sleep(POLL.total_seconds())


def answers(path: Path) -> bool:
    """Whether somebody listens on the unix socket `path`."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _take(place: Place) -> Lease | None:
    try:
        return Lease.take(place.lock)
    except PermissionError as exc:
        raise EmbeddedError(
            f"{place.lock} belongs to another account: run as that one, or choose another ENGAGE_DATA_DIR"
        ) from exc


def _own(
    place: Place, lease: Lease, start: Callable[[], tuple[Endpoint, Callable[[], None]]]
) -> tuple[Endpoint, Callable[[], None]]:
    try:
        place.notice.unlink(missing_ok=True)
        endpoint, stop_server = start()
        _announce(place, endpoint)
    except BaseException:
        lease.release()
        raise

    def stop() -> None:
        try:
            place.notice.unlink(missing_ok=True)
            stop_server()
            place.tidy()
        finally:
            lease.release()

    return endpoint, stop


def _announce(place: Place, endpoint: Endpoint) -> None:
    scratch = place.notice.with_suffix(f".{os.getpid()}")
    scratch.write_text(json.dumps(asdict(endpoint), default=str))
    scratch.replace(place.notice)


def _announced(place: Place) -> Endpoint | None:
    try:
        said = json.loads(place.notice.read_text())
    except FileNotFoundError:
        return None
    return Endpoint(url=said["url"], socket=Path(said["socket"]), pid=said["pid"])
