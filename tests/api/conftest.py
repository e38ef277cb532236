"""A fresh face for every test."""

from collections.abc import Iterator

import pytest

from tests.api.world import Client, World, calling


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    with calling(world) as client:
        yield client
