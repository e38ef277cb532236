"""What fuzzing starts from, and whatever it ever found, is read without an accident."""

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.target import Target, check
from tests.fuzz.targets import TARGETS

FOUND = Path(__file__).parent / "found"


def inputs(target: Target) -> list[bytes]:
    found = [path.read_bytes() for path in sorted((FOUND / target.name).glob("*"))]
    return [*target.seeds, *found, b"", b"\x00", b"\n"]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_seeds_and_what_was_found_are_read_without_an_accident(target: Target) -> None:
    for data in inputs(target):
        check(target, data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_little_noise_in_the_seeds_is_no_accident(target: Target) -> None:
    random = Random(target.name)
    for data in inputs(target):
        for _ in range(5):
            noisy = bytearray(data[:4000] or b"x")
            for _ in range(random.randint(1, 4)):
                noisy[random.randrange(len(noisy))] = random.choice(b"\x00\n'\"{}[]()%,:-9aZ\xff")
            check(target, bytes(noisy))


def test_what_was_found_belongs_to_a_target() -> None:
    names = {target.name for target in TARGETS}

    assert {path.parent.name for path in FOUND.glob("*/*")} <= names
