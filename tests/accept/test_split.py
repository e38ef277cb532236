"""Taking bodies apart: one item that cannot be read never takes its neighbours with it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.json_text import mended
from engage.engine.canonical.split import (
    MAX_EVENTS,
    MalformedBodyError,
    TooManyEventsError,
    open_batch,
    write_key_of,
)

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=15,
)
DEEP = b"[" * 3_000 + b"]" * 3_000


def test_a_batch_comes_apart_into_its_items() -> None:
    envelope = open_batch(b'{"batch":[{"a":1}, 2 ,"x"],"sentAt":"t","writeKey":"k","context":{"c":1}}')

    assert envelope.items == (b'{"a":1}', b"2", b'"x"')
    assert (envelope.write_key, envelope.sent_at, envelope.context) == ("k", "t", b'{"c":1}')


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"batch":5}', b'{"batch":null}', b"nonsense", b"\xff"]
)
def test_what_is_no_batch_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        open_batch(body)


def test_a_batch_holds_at_most_2500_events() -> None:
    assert len(open_batch(b'{"batch":[%s]}' % b",".join([b"1"] * MAX_EVENTS)).items) == MAX_EVENTS
    with pytest.raises(TooManyEventsError):
        open_batch(b'{"batch":[%s]}' % b",".join([b"1"] * (MAX_EVENTS + 1)))


def test_parts_around_the_items_that_make_no_sense_are_as_if_absent() -> None:
    envelope = open_batch(b'{"batch":[1],"sentAt":"\xff","writeKey":7,"context":null}')

    assert (envelope.items, envelope.sent_at, envelope.write_key) == ((b"1",), None, None)


def test_half_an_emoji_loses_nothing() -> None:
    envelope = open_batch(b'{"batch":[{"a":"cut \\ud83d"},{"b":"\\ud83d\\ude00 \\\\ud83d"},{"c":"\\udc00"}]}')

    assert [json.loads(item) for item in envelope.items] == [
        {"a": "cut \ufffd"},
        {"b": "\U0001f600 \\ud83d"},
        {"c": "\ufffd"},
    ]


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert open_batch(b'\xef\xbb\xbf{"batch":[1]}').items == (b"1",)


def test_an_item_nested_beyond_every_parser_leaves_its_neighbours_alone() -> None:
    body = b'{"context":{"c":"]"},"batch":[{"a":"},{"}, %s ,{"b":[1,{"x":2}]}],"writeKey":"k"}' % DEEP

    envelope = open_batch(body)

    assert envelope.items == (b'{"a":"},{"}', DEEP, b'{"b":[1,{"x":2}]}')
    assert (envelope.write_key, envelope.context) == ("k", b'{"c":"]"}')


def test_the_write_key_of_an_unreadable_call_is_found() -> None:
    assert write_key_of(b'{"properties":{"writeKey":"no","x":%s},"writeKey":"k"}' % DEEP) == "k"
    assert write_key_of(b'{"event":"\xff","writeKey":"k"}') == "k"
    assert write_key_of(b'{"event":"E"}') is None


@given(items=st.lists(JSON, max_size=8), around=st.dictionaries(st.text(min_size=1), JSON, max_size=3))
def test_every_item_of_every_batch_comes_out_as_it_went_in(items: list[Any], around: dict[str, Any]) -> None:
    body = json.dumps({**around, "batch": items}).encode()

    assert [json.loads(item) for item in open_batch(body).items] == [
        json.loads(mended(json.dumps(item).encode())) for item in items
    ]


@given(items=st.lists(JSON, max_size=6))
def test_the_slow_way_splits_as_the_fast_one(items: list[Any]) -> None:
    plain = json.dumps({"batch": items}).encode()
    deep = plain.removesuffix(b"]}") + (b"," if items else b"") + DEEP + b"]}"

    assert open_batch(deep).items == (*open_batch(plain).items, DEEP)


@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_batch_or_malformed(body: bytes) -> None:
    try:
        open_batch(body)
    except MalformedBodyError:
        return
