"""A store in memory that refuses, stumbles or goes away when a test says so."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engage.domain.consent.consent import Consents
from engage.domain.delivery.delivery import Channel, Delivery, Priority
from engage.domain.fact import Fact, NewFact, Signal, decode, encode
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.turn.changes import Quarantined
from engage.engine.accept.intake import NOBODY, Piece
from engage.ports.storage import StorageRefusedError
from engage.storage.memory.store import MemoryStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ADA = ProfileId("019ca945-0a00-71df-b438-00000000ada0")


class TestedStore(MemoryStore):
    """`trouble` is asked at every commit of something with the ids of the facts it holds."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[list[str]] = []
        self.trouble: Callable[[list[str]], Exception | None] = lambda _ids: None

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with super().transaction() as tx:
            yield tx
            ids = [message_id for _, message_id in tx._work.new_facts]
            if not {"seen", "quarantine"} & vars(tx._work).keys():
                return  # who only looks how much waits stores nothing
            exc = self.trouble(ids)
            if exc is not None:
                raise exc
            self.commits.append(ids)

    def facts(self) -> list[Fact]:
        with super().transaction() as tx:
            rows = [row for lane in tx.inbox.lanes() for row in tx.inbox.read(lane, 10_000)]
        return [decode(row.payload) for row in sorted(rows, key=lambda row: row.seq)]

    def ids(self) -> list[str]:
        return [fact.message_id for fact in self.facts() if isinstance(fact, Signal)]

    def quarantined(self) -> list[Quarantined]:
        return list(self._tables.quarantine.rows.values())

    def consents(self, channel: str, address: str) -> Consents:
        with super().transaction() as tx:
            return tx.consents.view([NOBODY], {NOBODY: [(channel, address)]})[NOBODY]

    def send(
        self, delivery: str, channel: Channel, address: str, topic: str | None = None, **more: Any
    ) -> DeliveryId:
        """Have sent something to somebody."""
        row = Delivery(
            id=DeliveryId(delivery),
            profile=ADA,
            lane=1,
            channel=channel,
            topic=topic,
            address=address,
            asked_at=NOW,
            due_at=None,
            **more,
        )
        with super().transaction() as tx:
            tx.deliveries.save([row])
        return row.id


@dataclass
class Hinted:
    """Remembers who was told that there is work."""

    lanes: list[set[int]] = field(default_factory=list)
    broken: bool = False

    def digest(self, lanes: Iterable[int], *, urgent: bool = False) -> None:
        if self.broken:
            raise ConnectionError("the broker is away")
        self.lanes.append(set(lanes))

    def deliver(self, work: Iterable[tuple[Channel, Priority]]) -> None:
        raise AssertionError("nobody here releases deliveries")


def piece(name: str, lane: int = 3) -> Piece:
    """A fact of this identity."""
    fact = Signal(message_id=name, event="E", timestamp=NOW)
    return Piece(fact=NewFact(lane=lane, source="s", message_id=name, received_at=NOW, payload=encode(fact)))


def poisoned(*names: str) -> Callable[[Sequence[str]], Exception | None]:
    """Trouble with every transaction that holds one of these facts."""

    def refuse(ids: Sequence[str]) -> Exception | None:
        return StorageRefusedError("no") if set(names) & set(ids) else None

    return refuse
