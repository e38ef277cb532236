"""The HTTP face of a shop on the twin: the same store and clock, and who knows codes and rooms, over the real SDK."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from engage.api.app import create_app
from engage.channels.registry import build_codes, build_rooms
from tests.api.world import Client, World, calling
from tests.twin.shop import SETTINGS, Shop


@contextmanager
def facing(shop: Shop, **settings: Any) -> Iterator[Client]:
    """A caller of the shop's API."""
    channels = replace(SETTINGS, public_url=shop.url, twilio_base_url=shop.twin.url, **settings)
    world = World({}, store=shop.store)
    deps = replace(
        world.deps,
        clock=shop.clock,
        secrets=("a secret for links",),
        codes=build_codes(channels),
        rooms=build_rooms(channels),
        public_url=shop.url,
    )
    world.app = create_app(deps)
    with calling(world) as client:
        yield client
