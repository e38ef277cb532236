"""JSON of strangers and providers that is nested without end or is no UTF-8: refused in the words of whoever reads it."""

import base64
import zlib
from pathlib import Path

import click
import pytest

from engage.channels.sendgrid_lists import _addresses, _entries, _read
from engage.cli.plan.commands import read_plan
from engage.console.timeline import _read_place
from engage.ports.call_turns import unpack, unpack_bytes
from engage.ports.listing import ListsAwayError
from engage.ports.reading import CursorError

DEEP = b"[" * 5_000
ODD = (
    DEEP,
    b'{"a": {"x": ' + DEEP,
    b'[{"x": ' + DEEP,
    b"[null, null, null, " + DEEP,
    b'{"\xff": 1}',
    b'["\xff"]',
    b"\xff",
)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd[:12]))
class TestOdd:
    def test_a_timelines_place_is_none(self, odd: bytes) -> None:
        with pytest.raises(CursorError):
            _read_place(base64.urlsafe_b64encode(odd).decode().rstrip("="))

    def test_the_turns_of_a_call_are_none(self, odd: bytes) -> None:
        packed = zlib.compress(odd)

        assert unpack_bytes(packed) == {}
        assert unpack(base64.urlsafe_b64encode(packed).decode()) == {}

    def test_the_lists_of_a_provider_are_away(self, odd: bytes) -> None:
        with pytest.raises(ListsAwayError):
            _read(_addresses, odd)
        with pytest.raises(ListsAwayError):
            _read(_entries, odd)

    def test_a_kept_plan_is_none(self, odd: bytes, tmp_path: Path) -> None:
        plan = tmp_path / "plan.json"
        plan.write_bytes(odd)

        with pytest.raises(click.UsageError, match="no plan"):
            read_plan(plan)
