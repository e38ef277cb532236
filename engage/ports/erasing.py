"""Erasing: what is left when somebody was erased."""

from collections.abc import Mapping, Sequence

import msgspec


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows went, by table, and a proof for each person: a keyed hash of their id, which says nothing to others."""

    rows: Mapping[str, int] = {}
    proofs: Sequence[str] = ()

    @property
    def total(self) -> int:
        """All rows together."""
        return sum(self.rows.values())
