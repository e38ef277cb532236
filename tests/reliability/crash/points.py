"""Points: every commit and every provider's call of a process, numbered as they come; the process dies at one of them.

Nobody lists them: a room that commits once more, or a new room, has its points by itself.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from engage.domain.fact import Receipt
from engage.ports.channel import (
    Answer,
    CannotSay,
    NotTaken,
    Outbound,
    Question,
    Sender,
    Sent,
    Taken,
    TellingSender,
)
from engage.ports.locking import WorkerLock
from engage.storage.postgres.store import PostgresStore, PostgresTransaction


class Points:
    """Counts points and kills this process at the n-th, having written down where that was."""

    def __init__(self, journal: Path, fatal: int) -> None:
        """`fatal` none of them: 0."""
        self.room = "start"
        """Who is at work: names the points."""
        self._journal, self._fatal = journal, fatal
        self.passed = 0

    def pass_by(self, place: str) -> None:
        """Pass one point, or die here."""
        self.passed += 1
        with self._journal.open("a") as journal:
            journal.write(f"{self.room}: {place}\n")
        if self.passed == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)


class PointedStore:
    """A store with a point before and after each commit of something. Implements `Store`."""

    def __init__(self, store: PostgresStore, points: Points) -> None:
        self._store, self._points = store, points

    @contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        with self._store.transaction() as tx:
            yield tx
            wrote = tx._session.one("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
            if wrote:
                self._points.pass_by("before a commit")
        if wrote:
            self._points.pass_by("after a commit")

    def worker_alive(self, worker: str) -> bool:
        return self._store.worker_alive(worker)

    def hold_worker_lock(self, worker: str) -> AbstractContextManager[WorkerLock]:
        return self._store.hold_worker_lock(worker)


class PointedSender:
    """A sender with a point before and after each call. Implements `ports.channel.Sender`."""

    def __init__(self, sender: Sender, points: Points) -> None:
        self.provider = sender.provider
        self._sender, self._points = sender, points

    def send(self, outbound: Outbound) -> Answer:
        self._points.pass_by("before a call")
        answer = self._sender.send(outbound)
        self._points.pass_by("after a call")
        return answer

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        self._points.pass_by("before a question")
        answer = self._sender.ask(question)
        self._points.pass_by("after a question")
        return answer


class PointedTeller(PointedSender):
    """Such a sender whose provider says how a message fares. Implements `ports.channel.TellingSender`."""

    def __init__(self, sender: TellingSender, points: Points) -> None:
        super().__init__(sender, points)
        self._teller = sender

    def fate(self, sent: Sent) -> Sequence[Receipt] | None:
        self._points.pass_by("before a question")
        answer = self._teller.fate(sent)
        self._points.pass_by("after a question")
        return answer


def pointed(sender: Sender, points: Points) -> PointedSender:
    """Return a sender with points that can do what `sender` can."""
    return (
        PointedTeller(sender, points) if isinstance(sender, TellingSender) else PointedSender(sender, points)
    )
