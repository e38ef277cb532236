"""`python -m tests.reliability.sim SEED…` plays seeds again, exactly as they were."""

import logging
import sys

import structlog

from tests.reliability.sim.world import World

if __name__ == "__main__":
    # What goes wrong here is meant to: the log would only hide the verdict.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    broken = False
    for seed in map(int, sys.argv[1:]):
        world = World(seed)
        weather = str(world.weather)
        found = world.play()
        broken = broken or bool(found)
        print(f"seed {seed}: {len(found)} broken promises; {weather}")
        for breach in found:
            print(f"  {breach}")
    sys.exit(broken)
