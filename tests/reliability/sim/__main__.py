"""`python -m tests.reliability.sim SEED…` plays seeds again, exactly as they were; `1-5000` plays all from one to the other."""

import logging
import sys
import time
from collections.abc import Iterator

import structlog

from tests.reliability.sim.world import World

EVERY = 100
"""Seeds after which a long run says how far it is."""


def seeds(words: list[str]) -> Iterator[int]:
    for word in words:
        first, _, last = word.partition("-")
        yield from range(int(first), int(last or first) + 1)


def played(seed: int) -> list[str]:
    """Play one seed and return what was broken, a world that could not go on among it."""
    world = World(seed)
    weather = str(world.weather)
    try:
        found = world.play()
    except Exception as exc:
        found = [f"{type(exc).__name__}: {exc}"]
    if found:
        print(f"seed {seed}: {len(found)} broken promises; {weather}", *found, sep="\n  ", flush=True)
    return found


if __name__ == "__main__":
    # What goes wrong here is meant to: the log would only hide the verdict.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began, cpu, broken = time.monotonic(), time.process_time(), list[bool]()

    def told() -> str:
        spent, used = time.monotonic() - began, time.process_time() - cpu
        return f"{len(broken)} seeds, {sum(broken)} with broken promises; {spent:.0f} s, {used:.0f} s of CPU time"

    for seed in seeds(sys.argv[1:]):
        broken.append(bool(played(seed)))
        if not len(broken) % EVERY:
            print(told(), file=sys.stderr, flush=True)
    print(told())
    sys.exit(any(broken))
