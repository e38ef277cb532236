"""The twin and a shop on it."""

from collections.abc import Iterator

import pytest

from tests.sandbox.conftest import quick_config, running_box, twin
from tests.sandbox.twin import Twin
from tests.twin.shop import Shop, open_shop

__all__ = ["quick_config", "running_box", "twin"]


@pytest.fixture
def shop(twin: Twin) -> Iterator[Shop]:  # a fixture of the same name is what it asks for
    """A shop on the twin, in the present."""
    with open_shop(twin) as shop:
        yield shop
