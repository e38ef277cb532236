"""Whatever a seed does to workers, storage, provider and people, every promise of the invariants is kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reliability.sim.weather import Weather
from tests.reliability.sim.world import World

PORTION = 20
"""Seeds a test plays: few enough that one process does not wait for another's."""
FEW = range(1, 201)
MANY = range(201, 5_001)
REPOSITORY = Path(__file__).resolve().parents[2]


def portions(seeds: range) -> list[range]:
    return [seeds[begin : begin + PORTION] for begin in range(0, len(seeds), PORTION)]


def play(seeds: range) -> None:
    for seed in seeds:
        try:
            found = World(seed).play()
        except Exception:
            print(f"again: python -m tests.reliability.sim {seed}")
            raise
        assert not found, f"again: python -m tests.reliability.sim {seed}\n" + "\n".join(found)


@pytest.mark.parametrize("seeds", portions(FEW), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_no_seed_breaks_a_promise(seeds: range) -> None:
    play(seeds)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", portions(MANY), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_none_of_thousands_of_seeds_breaks_a_promise(seeds: range) -> None:
    play(seeds)


def compare(seed: int) -> World:
    """Hold what became of people where workers die against a world in which one worker lives undisturbed."""
    calm, deadly = (
        World(seed, weather=Weather(), workers=1),
        World(seed, weather=Weather(deaths=0.006), workers=3),
    )
    assert calm.play() + deadly.play() == []
    disturbed, expected, got = deadly.disturbed(), calm.became(), deadly.became()
    assert expected.keys() == got.keys()
    for name in expected.keys() - disturbed:
        assert got[name] == expected[name], f"seed {seed}: {name}"
    assert calm.disturbed() == set()
    return deadly


@pytest.mark.parametrize("seeds", portions(range(1, 21)), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_no_interleaving_and_no_death_changes_what_becomes_of_anybody(seeds: range) -> None:
    worlds = [compare(seed) for seed in seeds]

    assert all(world.scheduler.killed > 5 for world in worlds)
    assert sum(len(world.disturbed()) for world in worlds) < len(worlds)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", portions(range(21, 301)), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_nor_does_it_in_hundreds_of_worlds(seeds: range) -> None:
    for seed in seeds:
        compare(seed)


def test_the_seeds_meet_every_kind_of_trouble() -> None:
    worlds = [World(seed) for seed in FEW]

    weathers = [world.weather for world in worlds]
    for trouble in weathers[0].__slots__:
        assert sum(bool(getattr(weather, trouble)) for weather in weathers) > len(FEW) / 4, trouble
    deeds = {deed.what for world in worlds for deed in world.deeds}
    assert deeds == {
        *("call", "import", "start", "send", "signal", "reply", "stop", "yes", "no", "forget"),
        *("pause", "resume", "publish", "rollback", "hold", "release", "resolve"),
    }


def test_a_seed_replays_exactly_in_another_process() -> None:
    traces = [_trace_in_a_process_of_its_own(hash_seed) for hash_seed in ("1", "2")]

    assert traces[0] == traces[1]
    assert int(traces[0].split()[0]) > 500


def _trace_in_a_process_of_its_own(hash_seed: str) -> str:
    code = (
        "from hashlib import sha256; from tests.reliability.sim.world import World\n"
        "world = World(8); world.play(); trace = world.scheduler.trace\n"
        "print(len(trace), sha256(repr(trace).encode()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]
