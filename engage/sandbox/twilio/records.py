"""What was created through the side products, by kind and SID."""

from __future__ import annotations

import secrets
from typing import Any

Record = dict[str, Any]


def new_sid(prefix: str) -> str:
    """Return a fresh id of a kind."""
    return prefix + secrets.token_hex(16)


class Records:
    """Everything created through these products, by kind and SID."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, Record]] = {}

    def add(self, kind: str, record: Record) -> Record:
        self.kinds.setdefault(kind, {})[record["sid"]] = record
        return record

    def all(self, kind: str) -> list[Record]:
        return list(self.kinds.get(kind, {}).values())

    def get(self, kind: str, sid: str) -> Record | None:
        return self.kinds.get(kind, {}).get(sid)

    def clear(self) -> None:
        self.kinds.clear()
