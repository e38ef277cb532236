"""Sessions: what we signed is believed until it ends; nothing else is."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.console.session import LIFETIME, open_session, read_session
from tests.console.shop import NOON

COOKIE = open_session("token:1", NOON, ["new", "old"])


@given(st.timedeltas(min_value=timedelta(0), max_value=LIFETIME * 2))
def test_a_session_lasts_as_long_as_it_says(passed: timedelta) -> None:
    found = read_session(COOKIE, NOON + passed, ["new"])

    assert (found is not None) is (passed < LIFETIME)


@given(st.integers(0, len(COOKIE) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_changed_cookie_is_not_believed(place: int, character: str) -> None:
    changed = COOKIE[:place] + character + COOKIE[place + 1 :]
    found = read_session(changed, NOON, ["new"])

    # The last character of a part holds bits that mean nothing.
    assert found is None or found == read_session(COOKIE, NOON, ["new"])


@given(st.text(max_size=200))
def test_no_text_is_an_accident(text: str) -> None:
    assert read_session(text, NOON, ["new"]) is None


def test_any_of_our_secrets_may_have_signed() -> None:
    old = open_session("token:1", NOON, ["old"])

    assert read_session(old, NOON, ["new", "old"]) is not None
    assert read_session(old, NOON, ["new"]) is None
    assert read_session(old, NOON, []) is None
    assert read_session(None, NOON, ["new"]) is None


def test_nothing_is_signed_without_a_secret() -> None:
    with pytest.raises(ValueError, match="secret"):
        open_session("token:1", NOON, [])
