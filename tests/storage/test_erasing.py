"""Erasing finds quarantined facts by their words: what is found is what a look at every byte would find of whole words."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engage.domain.fact import Identifier
from engage.domain.turn.changes import Quarantined
from engage.storage.postgres import PostgresStore
from engage.storage.within import any_of, escaped, words_in, words_of
from tests.storage.contract.given import NOON

pytestmark = pytest.mark.live

names = st.one_of(
    st.emails(),
    st.from_regex(r"\+[1-9][0-9]{8,13}", fullmatch=True),
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12),
    st.from_regex(r"[a-z]{2,5}-[0-9]{2,6}", fullmatch=True),
)


@given(names, st.booleans(), st.booleans())
@example("+14155550142", False, False)
@example("Zoë", True, True)
def test_whoever_stands_in_a_text_has_their_words_there(name: str, plain: bool, shouted: bool) -> None:
    value = name.upper() if shouted and name.isascii() else name
    text = json.dumps({"userId": "u", "traits": {"x": [value, 1]}}, ensure_ascii=not plain)

    words = words_of(text)

    assert words is not None
    assert set(words_in(name)) <= words


@pytest.mark.parametrize(
    "typed",
    ["(415) 555-0142", "415.555.0142", "+1 415 555 0142", "004155550142", "4155550142", "2026 415 555 0142"],
)
def test_a_phone_number_has_the_same_word_however_it_was_typed(typed: str) -> None:
    assert set(words_in("+14155550142")) <= (words_of(f'{{"phone": "{typed}"}}') or set())
    assert re.search(any_of(["+14155550142"]), escaped(typed.encode()), re.IGNORECASE)


def test_more_words_than_an_index_should_bear_are_not_kept() -> None:
    assert words_of("1" * 100_000) is not None
    assert words_of("".join(str(number) for number in range(10_000))) is None


def held(reason: str, payload: bytes, detail: str = "") -> Quarantined:
    return Quarantined(source="key", reason=reason, detail=detail, payload=payload, received_at=NOON)


def test_quarantined_facts_of_an_erased_person_go_and_the_others_stay(postgres_store: PostgresStore) -> None:
    many = "".join(str(number) for number in range(10_000))
    items = [
        held("as typed", b'{"traits": {"mail": "ZEPHYRINE@quill.example"}}'),
        held("by phone", b'{"phone": "(415) 555-0142"}'),
        held("in the detail", b"{}", "about zq-7781"),
        held("among many", f'{{"userId": "zq-7781", "n": "{many}"}}'.encode()),
        held("no text", b'\xff\xfe "zq-7781"'),
        held("others", b'{"traits": {"mail": "someone@quill.example"}, "phone": "(415) 555-0143"}'),
    ]
    with postgres_store.transaction() as tx:
        tx.inbox.quarantine(items)
    with postgres_store.session() as session:
        session.run(
            "INSERT INTO quarantine (received_at, source, reason, detail, payload)"
            " VALUES (now(), '', 'older', '', 'user zq-7781')"
        )

    for name in (
        Identifier("email", "zephyrine@quill.example"),
        Identifier("phone", "+14155550142"),
        Identifier("user_id", "zq-7781"),
    ):
        with postgres_store.transaction() as tx:
            tx.people.erase([], named=name)

    with postgres_store.session() as session:
        assert session.rows("SELECT reason FROM quarantine") == [("others",)]
