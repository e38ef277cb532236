"""Sessions: what we signed is believed until it ends; nothing else is."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.console.session import LIFETIME, _mac, _text, cookie_in, open_session, read_session
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


def test_each_session_has_a_name_of_its_own_however_its_cookie_is_written() -> None:
    """Two of one second, too; the last character of a part holds bits that mean nothing."""
    body, _, signature = COOKIE.partition(".")
    respelled = [
        f"{body}.{signature[:-1]}{last}"
        for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    ]
    other = read_session(open_session("token:1", NOON, ["new"]), NOON, ["new"])

    names = {found.id for text in (COOKIE, *respelled) if (found := read_session(text, NOON, ["new"]))}

    assert len(names) == 1
    assert other is not None
    assert other.id not in names


def test_a_session_opened_by_the_version_before_is_one_too() -> None:
    payload = b'["token:1",1782936000,""]'
    cookie = f"{_text(payload)}.{_text(_mac('new', payload))}"

    found = read_session(cookie, NOON, ["new"])

    assert found is not None
    assert (found.holder, len(found.id)) == ("token:1", 32)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None),
        ("", None),
        ("engage_console=a.b", "a.b"),
        ("x=1; engage_console=a.b; y=2", "a.b"),
        ("engage_console=near;engage_console=far", "near"),
        ("xengage_console=a; engage_console2=b; engage_console", ""),
        ("x=engage_console=a", None),
    ],
)
def test_our_cookie_is_found_among_others(header: str | None, found: str | None) -> None:
    assert cookie_in(header) == found


def test_nothing_is_signed_without_a_secret() -> None:
    with pytest.raises(ValueError, match="secret"):
        open_session("token:1", NOON, [])
