"""Table: rows with secondary indexes, and the view one transaction has of them until it commits."""

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Table(Generic[K, V]):
    """Committed rows. Rows are immutable; an index key of None keeps a row out of that index."""

    __slots__ = ("indexes", "keys", "rows")

    def __init__(self, **keys: Callable[[V], Hashable | None]) -> None:
        """Start empty, with one index per key."""
        self.rows: dict[K, V] = {}
        self.keys = keys
        self.indexes: dict[str, dict[Hashable, dict[K, None]]] = {name: {} for name in keys}

    def put(self, key: K, row: V) -> None:
        """Insert or replace a row."""
        there = self.rows.get(key)
        if there is not None:
            self._unindex(key, there)
        self.rows[key] = row
        for name, key_of in self.keys.items():
            value = key_of(row)
            if value is not None:
                self.indexes[name].setdefault(value, {})[key] = None

    def delete(self, key: K) -> None:
        """Remove a row; a missing one is no error."""
        there = self.rows.pop(key, None)
        if there is not None:
            self._unindex(key, there)

    def _unindex(self, key: K, row: V) -> None:
        for name, key_of in self.keys.items():
            value = key_of(row)
            if value is not None:
                keys = self.indexes[name][value]
                del keys[key]
                if not keys:
                    del self.indexes[name][value]


class View(Generic[K, V]):
    """What one transaction sees of a table: everything committed by now, and its own buffered writes over it."""

    __slots__ = ("changed", "table")

    def __init__(self, table: Table[K, V]) -> None:
        """Look at `table`."""
        self.table = table
        self.changed: dict[K, V | None] = {}

    def get(self, key: K) -> V | None:
        """Return the row, or None."""
        if key in self.changed:
            return self.changed[key]
        return self.table.rows.get(key)

    def put(self, key: K, row: V) -> None:
        """Buffer a write."""
        self.changed[key] = row

    def delete(self, key: K) -> None:
        """Buffer a removal."""
        self.changed[key] = None

    def where(self, index: str, value: Hashable) -> list[V]:
        """Return the rows whose key in `index` is `value`, in no promised order."""
        rows, changed = self.table.rows, self.changed
        # A list at once: other threads may commit meanwhile.
        keys = list(self.table.indexes[index].get(value, ()))
        if not changed:
            return [row for key in keys if (row := rows.get(key)) is not None]
        found = [row for key in keys if key not in changed and (row := rows.get(key)) is not None]
        key_of = self.table.keys[index]
        found.extend(row for row in changed.values() if row is not None and key_of(row) == value)
        return found

    def among(self, index: str, values: Iterable[Hashable]) -> list[V]:
        """Return the rows whose key in `index` is one of `values`, each row once."""
        return [row for value in dict.fromkeys(values) for row in self.where(index, value)]

    def all(self) -> list[V]:
        """Return every row, in no promised order."""
        rows = list(self.table.rows.items())
        if not self.changed:
            return [row for _, row in rows]
        found = [row for key, row in rows if key not in self.changed]
        found.extend(row for row in self.changed.values() if row is not None)
        return found

    def commit(self) -> None:
        """Make the buffered writes everybody's."""
        for key, row in self.changed.items():
            if row is None:
                self.table.delete(key)
            else:
                self.table.put(key, row)
        self.changed.clear()
