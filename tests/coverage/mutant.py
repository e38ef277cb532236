"""A mutant: one small way to break the engine, against one promise."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old`, which stands once in `file`, becomes `new`; `row` is how the promise it breaks begins."""

    row: str
    file: str
    old: str
    new: str
