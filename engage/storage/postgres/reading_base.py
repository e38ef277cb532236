"""What every reader shares: a transaction in which the planner may read whole tables, but not for long."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from engage.domain.delivery.delivery import Delivery, Mark
from engage.domain.ids import DeliveryId
from engage.domain.turn.changes import ReceiptRow
from engage.ports.reading import DeliverySeen
from engage.storage.coding import decoder
from engage.storage.postgres.session import Session, uuids
from engage.storage.postgres.store import PostgresStore

READING_SECONDS = 20
"""The longest a question of a face may take; then it is answered by StorageBusyError."""

_FREELY = """
SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true),
    set_config('enable_mergejoin', 'on', true), set_config('statement_timeout', %s, true)
"""
_RECEIPTS = """
SELECT delivery_id, profile_id, receipt_id, mark, at, provider, code, data FROM receipt
WHERE delivery_id = ANY(%s::uuid[]) ORDER BY at, receipt_id
"""


class PostgresReader:
    """Reads from a store, each question in a transaction of its own."""

    def __init__(self, store: PostgresStore) -> None:
        """Read from `store`."""
        self._store = store

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with self._store.session() as session:
            session.rows(_FREELY, f"{READING_SECONDS}s")
            yield session


def seen(session: Session, documents: Sequence[str]) -> list[DeliverySeen]:
    """Return deliveries with their receipts."""
    decode = decoder(Delivery).decode
    deliveries = [decode(document) for document in documents]
    receipts: dict[DeliveryId, list[ReceiptRow]] = {delivery.id: [] for delivery in deliveries}
    if deliveries:
        for row in session.rows(_RECEIPTS, uuids(receipts)):
            receipts[row[0]].append(_receipt(row))
    return [DeliverySeen(delivery=one, receipts=receipts[one.id]) for one in deliveries]


def _receipt(row: tuple[Any, ...]) -> ReceiptRow:
    delivery, profile, receipt_id, mark, at, provider, code, data = row
    return ReceiptRow(
        delivery=delivery,
        profile=profile,
        receipt_id=receipt_id,
        mark=Mark(mark),
        at=at,
        provider=provider,
        code=code,
        data=decoder(dict).decode(data),
    )
