"""Wires and senders of these tests."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from engage.channels.registry import ChannelSettings
from tests.channels.wire import Wire

ACCOUNT = "AC" + "a" * 32
TOKEN = "12345"
PUBLIC = "https://engage.example"


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A provider on loopback."""
    with Wire() as server:
        yield server


@pytest.fixture
def settings(wire: Wire) -> ChannelSettings:
    """Both providers set up, pointing at `wire`."""
    return settings_for(wire.url)


def settings_for(url: str, read_timeout: float = 1.0) -> ChannelSettings:
    """Both providers set up, pointing at `url`."""
    return ChannelSettings(
        public_url=PUBLIC,
        account_sid=ACCOUNT,
        auth_tokens=(TOKEN, "second-token"),
        from_number="+15005550006",
        twilio_base_url=url,
        sendgrid_api_key="SG.key",
        sendgrid_from="Shop <hello@shop.example>",
        sendgrid_public_keys=(),
        sendgrid_base_url=url,
        connect_timeout=timedelta(seconds=0.5),
        read_timeout=timedelta(seconds=read_timeout),
    )
