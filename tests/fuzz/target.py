"""Target: something that reads bytes of strangers, and what holds for all of them."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

SLOWEST_SECONDS = 10.0
"""CPU of one input; far more than any needs, far less than an attack takes. Instrumented code is about five times slower."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads bytes of strangers."""

    name: str
    run: Callable[[bytes], None]
    """Raises if what must hold does not."""
    seeds: Iterable[bytes]


def check(target: Target, data: bytes) -> None:
    """Let a target read `data`.

    Raises:
        Exception: something that must hold does not.
    """
    started = time.process_time()
    target.run(data)
    took = time.process_time() - started
    assert took < SLOWEST_SECONDS, f"{took:.1f} s of CPU for {len(data)} bytes"


def worded(refusal: Exception) -> None:
    """Hold a refusal to saying something."""
    assert str(refusal), type(refusal)


def text_of(data: bytes) -> str:
    """Return bytes as a text, whatever they are."""
    return data.decode("utf-8", "replace")
