"""The small parts: segments, chance, clock, keys."""

from __future__ import annotations

import asyncio
import math
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from engage.sandbox.chance import Chance, sigma_for
from engage.sandbox.clock import Clock
from engage.sandbox.config import ConfigError, SandboxConfig, make_config
from engage.sandbox.http_client import ConnectError, HttpClient
from engage.sandbox.ledger import Pace
from engage.sandbox.signing import EventSigner, generate_signing_key
from engage.sandbox.twilio.segments import GSM_ALL, GSM_BASIC, count_segments, smart_encoded


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("👋" * 35, 1),
        ("👋" * 36, 2),
        ("x" * 152 + "€" + "x" * 153, 3),
    ],
)
def test_segments_are_counted_as_on_the_air(text: str, parts: int) -> None:
    assert count_segments(text) == parts


@given(st.text(st.sampled_from(sorted(GSM_ALL)), max_size=400))
def test_a_character_more_never_takes_fewer_parts(text: str) -> None:
    assert count_segments(text) <= count_segments(text + "x") <= count_segments(text) + 1


@given(st.text(st.sampled_from(sorted(GSM_BASIC))))
def test_smart_encoding_leaves_plain_text_alone(text: str) -> None:
    assert smart_encoded(text) == text


@given(st.integers(), st.text())
def test_a_lot_depends_on_seed_and_keys_alone(seed: int, key: str) -> None:
    assert Chance(seed).share(key, 1) == Chance(seed).share(key, 1)
    assert 0 < Chance(seed).share(key) < 1


def test_delays_have_their_median_and_tail() -> None:
    draws = sorted(Chance(1).lognormal(2.0, sigma_for(15), n) for n in range(4000))

    assert 1.8 < draws[2000] < 2.2
    assert 22 < draws[3960] < 42


def test_timers_run_in_the_order_they_are_due() -> None:
    async def play() -> list[str]:
        clock, seen = Clock(speed=1000), list[str]()
        for name, seconds in (("c", 30), ("a", 10), ("b", 20), ("a2", 10)):
            clock.later(seconds, seen.append, name)
        await clock.sleep(40)
        return seen

    assert asyncio.run(play()) == ["a", "a2", "b", "c"]


def test_a_cleared_clock_wakes_its_sleepers() -> None:
    async def play() -> None:
        clock = Clock(speed=1)
        sleeper = asyncio.ensure_future(clock.sleep(1000))
        await asyncio.sleep(0)
        clock.clear()
        await asyncio.wait_for(sleeper, 1)
        assert clock.waiting == 0

    asyncio.run(play())


def test_the_busiest_second_is_any_window_not_a_clock_second() -> None:
    pace = Pace()
    for at, segments in ((0.0, 1), (0.6, 2), (0.9, 1), (1.1, 3), (5.0, 1)):
        pace.note(at, segments)

    assert (pace.messages, pace.segments) == (3, 6)


def test_a_key_must_be_elliptic() -> None:
    private, public = generate_signing_key()
    assert EventSigner(private).public_key == public
    other = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )

    with pytest.raises(ValueError):
        EventSigner(other.decode())


def test_a_configuration_survives_its_own_changes() -> None:
    config = SandboxConfig().with_changes({"speed": 5, "numbers": ["+14155550100"]})

    assert (config.speed, config.numbers) == (5, ("+14155550100",))
    with pytest.raises(ConfigError):
        make_config({"click_share": 1.5})


@pytest.mark.parametrize("host", ["a" * 70, "a..b", "a%00b"])
def test_a_name_that_no_host_has_is_a_connection_that_did_not_come_about(host: str) -> None:
    async def ask() -> None:
        with pytest.raises(ConnectError):
            await HttpClient().request("POST", f"http://{unquote(host)}/")

    asyncio.run(ask())


@pytest.mark.parametrize(
    "change",
    [
        {"speed": 1e300},
        {"keep": -1},
        {"keep_bytes": -1},
        {"inbound_sms_url": "http://["},
        {"event_webhook_url": "http://["},
    ],
)
def test_a_setting_that_would_break_it_later_is_refused_at_once(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SandboxConfig().with_changes(change)


def test_a_wait_that_is_no_number_holds_up_nobody() -> None:
    async def seen() -> list[str]:
        clock, seen = Clock(speed=1000), list[str]()
        clock.later(math.nan, seen.append, "nan")
        clock.later(5, seen.append, "five")
        clock.later(1, seen.append, "one")
        await clock.sleep(10)
        return seen

    assert asyncio.run(seen()) == ["nan", "one", "five"]
