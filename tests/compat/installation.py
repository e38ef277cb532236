"""A real API process on a real database, to be killed at will, and what it has stored."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from engage.chaos.installation import free_port
from engage.cli.client import Client, ClientError
from engage.cli.supervise import Supervisor, environment_for
from engage.domain.fact import Call, decode
from engage.services import migrate_schema
from engage.settings import load_settings
from tests.compat.faults import Fault, FaultyWire

SERVER, BROWSER = "server-key", "browser-key"
PATIENCE = 60.0


class Installation:
    """An API alone: nobody digests, so that what came in lies in the inbox as it came."""

    def __init__(self, database: str, supervisor: Supervisor, port: int, public_url: str) -> None:
        self.database, self._supervisor = database, supervisor
        self.address = ("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}"
        self.public_url = public_url
        self._stopping = threading.Event()

    @property
    def pid(self) -> int:
        """The process that answers."""
        return self._supervisor.pid("api")

    def kill(self) -> None:
        """Kill the API without warning; it is started again within a second."""
        os.kill(self.pid, 9)

    def watch(self) -> None:
        """Start again what dies, until `close`: what `engage up` does."""
        while not self._stopping.wait(0.2):
            self._supervisor.revive()

    def close(self) -> None:
        """Let what dies stay dead."""
        self._stopping.set()

    def is_up(self) -> bool:
        """Return whether the API answers."""
        with Client(self.url) as client:
            try:
                client.call("GET", "/readyz", timeout=2)
            except ClientError:
                return False
            return True

    def wire(self, *faults: Fault) -> FaultyWire:
        """Return the wire to the public address: the n-th POST meets the n-th fault."""
        return FaultyWire(self.public_url, self.address, faults, self.kill)

    def stored(self) -> list[Call]:
        """Return the calls in the inbox, in order of arrival."""
        with psycopg.connect(self.database) as connection:
            rows = connection.execute("SELECT payload FROM inbox ORDER BY seq").fetchall()
        return [fact for (payload,) in rows if isinstance(fact := decode(bytes(payload)), Call)]

    def quarantined(self) -> list[tuple[Any, ...]]:
        """Return the reasons of what was put aside."""
        with psycopg.connect(self.database) as connection:
            return connection.execute("SELECT reason, detail FROM quarantine ORDER BY id").fetchall()

    def forget(self) -> None:
        """Empty what tests look at."""
        with psycopg.connect(self.database) as connection:
            connection.execute("TRUNCATE inbox, seen, quarantine")


@contextmanager
def installed_api(folder: Path, database: str, broker: str) -> Iterator[Installation]:
    """Run the API on a migrated database for as long as the block runs."""
    port, public = free_port(), free_port()
    base = {name: value for name, value in os.environ.items() if not name.startswith("ENGAGE_")}
    base.pop("PYTHONDONTWRITEBYTECODE", None)  # a restart must not compile everything anew
    base |= {
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "ENGAGE_DATA_DIR": str(folder / "data"),
        "ENGAGE_LISTEN": f"127.0.0.1:{port}",
        "ENGAGE_WRITE_KEYS": f"{SERVER}:server,{BROWSER}:browser",
        "ENGAGE_PUBLIC_URL": f"http://127.0.0.1:{public}",
        "ENGAGE_LOG_LEVEL": "WARNING",
    }
    migrate_schema(database)
    environment = base | environment_for(load_settings(base, None), database, broker)
    with Supervisor(environment, logs=folder / "logs") as supervisor:
        supervisor.start(("api",))
        api = Installation(database, supervisor, port, base["ENGAGE_PUBLIC_URL"])
        watcher = threading.Thread(target=api.watch)
        watcher.start()
        try:
            deadline = time.monotonic() + PATIENCE
            while not api.is_up():
                assert time.monotonic() < deadline, (folder / "logs" / "api.log").read_text()[-2000:]
                time.sleep(0.1)
            yield api
        finally:
            api.close()
            watcher.join()
