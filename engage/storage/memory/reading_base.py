"""What every reader in memory shares."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from engage.domain.delivery.delivery import Delivery
from engage.domain.turn.changes import ReceiptRow
from engage.ports.reading import DeliverySeen
from engage.storage.coding import decoder
from engage.storage.memory.rows import DeliveryRow
from engage.storage.memory.store import MemoryStore
from engage.storage.memory.work import Work

Row = TypeVar("Row")


class MemoryReader:
    """Reads what is committed."""

    def __init__(self, store: MemoryStore) -> None:
        """Read from `store`."""
        self._store = store

    def _look(self) -> Work:
        return self._store.look()


def newest(
    rows: Iterable[Row], order: Callable[[Row], tuple[Any, ...]], after: tuple[object, ...] | None, limit: int
) -> list[Row]:
    """Return up to one row more than `limit` behind the cursor `after`, in descending order."""
    left = [row for row in rows if after is None or order(row) < after]
    return sorted(left, key=order, reverse=True)[: limit + 1]


def oldest(
    rows: Iterable[Row], order: Callable[[Row], tuple[Any, ...]], after: tuple[object, ...] | None, limit: int
) -> list[Row]:
    """Return up to one row more than `limit` behind the cursor `after`, in ascending order."""
    left = [row for row in rows if after is None or order(row) > after]
    return sorted(left, key=order)[: limit + 1]


def seen(work: Work, row: DeliveryRow) -> DeliverySeen:
    """Return a delivery with its receipts."""
    decode = decoder(ReceiptRow).decode
    lines = work.receipts.where("delivery", row.id)
    receipts = [msgspec.structs.replace(decode(line.doc), profile=line.profile) for line in lines]
    receipts.sort(key=lambda receipt: (receipt.at, receipt.receipt_id))
    return DeliverySeen(delivery=decoder(Delivery).decode(row.doc), receipts=receipts)
