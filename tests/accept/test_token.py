"""Tokens in links: nobody makes one up, nobody changes one, and old keys still open old links."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.ids import DeliveryId
from engage.domain.links.token import (
    MAX_TOKEN,
    Confirm,
    LinkToken,
    Opened,
    Preferences,
    TrackedLink,
    Viewed,
    make_token,
    read_token,
)

DELIVERY = DeliveryId("019ca945-0a00-71df-b438-2f9007a7c4a0")
TOKENS: list[LinkToken] = [
    Preferences(channel="email", address="a@b.c", topic="news", delivery=DELIVERY),
    Preferences(channel="sms", address="+14155550101"),
    Confirm(channel="email", address="a@b.c", topic="news"),
    TrackedLink(delivery=DELIVERY, lane=7, url="https://shop.example/?a=b&c=ü", link_id="1"),
    Opened(delivery=DELIVERY, lane=63),
    Viewed(delivery=DELIVERY),
]


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_says_what_was_put_in(token: LinkToken) -> None:
    assert read_token(make_token(token, ["s"]), ["s"]) == token


@pytest.mark.parametrize("token", TOKENS)
def test_the_first_secret_signs_and_all_verify(token: LinkToken) -> None:
    assert read_token(make_token(token, ["old"]), ["new", "old"]) == token
    assert make_token(token, ["new", "old"]) == make_token(token, ["new"])
    assert read_token(make_token(token, ["old"]), ["new"]) is None
    assert read_token(make_token(token, ["old"]), []) is None


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_bit_makes_a_token_worthless(place: int, change: int) -> None:
    raw = bytearray(urlsafe_b64decode(make_token(TOKENS[0], ["s"]) + "=="))
    raw[place % len(raw)] ^= change

    assert read_token(urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode(), ["s"]) is None


@given(st.text(max_size=300))
def test_any_text_is_a_token_of_ours_or_none(text: str) -> None:
    assert read_token(text, ["s"]) is None


def test_tokens_are_bounded() -> None:
    with pytest.raises(ValueError, match="at most"):
        make_token(TrackedLink(delivery=DELIVERY, lane=1, url="https://x/" + "a" * 3_000), ["s"])
    assert read_token("a" * (MAX_TOKEN + 1), ["s"]) is None


def test_a_link_cannot_be_signed_without_a_secret() -> None:
    with pytest.raises(ValueError, match="secret"):
        make_token(TOKENS[0], [])


def test_a_token_fits_into_an_address() -> None:
    text = make_token(TOKENS[0], ["s"])

    assert text.isascii()
    assert len(text) < 150
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
