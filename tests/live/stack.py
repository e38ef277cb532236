"""A whole installation in a temporary folder, with everything a test wants to know of its tables."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from engage.chaos.installation import PATIENCE, Installation, eventually, free_port, installation
from engage.cli.client import Client, ClientError
from engage.engine.publish.publish import Source

__all__ = ["Stack", "as_source", "eventually", "free_port", "running_stack", "send_surely"]


class Stack(Installation):
    """One running installation."""

    def __init__(self, folder: Path, place: Installation) -> None:
        """Ask `place`, whose logs and data lie in `folder`."""
        super().__init__(place.services, place.supervisor, place.environment)
        self.folder = folder

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the database."""
        with psycopg.connect(self.services.database_url) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def count(self, query: str, *values: Any) -> int:
        """Return the number that a query gives."""
        return int(self.rows(query, *values)[0][0])

    def idle(self) -> bool:
        """Return whether no fact and no delivery waits for anybody."""
        return not self.count(
            "SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM delivery"
            " WHERE status IN ('queued', 'held', 'sending', 'unknown'))"
        )


def send_surely(
    client: Client, path: str, body: Any, heal: Callable[[], None], seconds: float = PATIENCE
) -> None:
    """Send as Segment's clients do: again, until the server says that it has it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            client.call("POST", path, body, timeout=5)
        except ClientError:
            if time.monotonic() > deadline:
                raise
            heal()
            time.sleep(0.2)
        else:
            return


@contextmanager
def running_stack(folder: Path, **how: Any) -> Iterator[Stack]:
    """Start an installation below `folder`; `how`: see `installation`."""
    with installation(folder / "data", logs=folder / "logs", **how) as place:
        yield Stack(folder, place)


def as_source(kind: str, name: str, document: Mapping[str, Any]) -> Source:
    """Return a definition written as plain data: JSON is YAML."""
    return Source(kind=kind, name=name, text=json.dumps(document))
