"""What strangers wrote is shown to the people at a terminal and in logs, and obeyed by neither."""

import json
import logging
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.cli.terminal import harmless
from engage.telemetry import _OneLine
from tests.cli.conftest import Author, author, migrated_url, shop

__all__ = ["author", "migrated_url", "shop"]
REPOSITORY = Path(__file__).resolve().parents[2]
EVIL = {
    "clears the screen": "\x1b[2J",
    "hides a line": "\x1b[1A\x1b[2K",
    "conceals": "\x1b[8mhidden",
    "asks the terminal": "\x1b[6n",
    "sets the clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "a command in one character": "\x9b2J",
    "goes back": "good\rbad",
    "rubs out": "bad\x08\x08\x08good",
    "turns the text": "\u202egpj.exe",
    "isolates": "\u2066x\u2069",
    "begins a line": "x\u2028y\x85z\x0bq",
}


@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL)
def test_a_command_is_written_out_and_json_reads_it_again(text: str) -> None:
    shown = harmless(text)

    assert shown.isprintable()
    assert json.loads(f'"{shown}"') == text


@given(st.text())
def test_what_is_shown_holds_no_command(text: str) -> None:
    shown = harmless(text)

    assert not {character for character in shown if ord(character) < 32} - {"\n", "\t", "\x1b"}
    assert harmless(shown) == shown
    if text.isprintable():
        assert shown == text


def test_our_own_colours_stay() -> None:
    styled = click.style("wrong", fg="red", bold=True)

    assert harmless(styled) == styled


JOURNEY = """
journey: cart
trigger: {event: Cart}
steps:
  - set: {heard: "{{ entry.note }}"}
  - wait: 1 day
"""


@pytest.mark.live
def test_no_command_lets_what_strangers_wrote_through(shop: Author) -> None:
    shop.write("journeys/cart.yaml", JOURNEY)
    shop.json("publish")
    shop.identify("ada", **{f"t{number}": text for number, text in enumerate(EVIL.values())})
    for text in EVIL.values():
        shop.track("ada", "Cart", note=text)
        shop.track("ada", text, **{text: text})

    for command in (
        ("why", "user_id:ada"),
        ("why", "user_id:ada", "--json"),
        ("profile", "show", "user_id:ada"),
    ):
        shown = shown_on_a_terminal(shop, *command)
        assert harmless(shown) == shown
    assert "\\u001b[2J" in shown


def shown_on_a_terminal(shop: Author, *command: str) -> str:
    """Run a command as a person does: what is no terminal gets no colours, nor what looks like them."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "engage.cli", *command],
        cwd=shop.folder,
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
    ) as running:
        os.close(its)
        said = b""
        with suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 65_536):
                said += piece
    os.close(ours)
    assert running.returncode == 0, said
    return said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL)
def test_a_line_of_the_log_stays_one_line(text: str, as_json: bool) -> None:
    forged = f"{text}\n2026-01-01 00:00:00 INFO engage all is well\r\n"
    program = f"""
        import logging, structlog
        from engage.cli.terminal import guard_terminal
        from engage.telemetry import configure_logging
        guard_terminal()
        configure_logging(json={as_json})
        logging.getLogger("library").warning("odd: %s", {forged!r})
        try:
            raise ValueError({forged!r})
        except ValueError:
            logging.getLogger("library").exception("failed")
        structlog.get_logger("ours").warning("odd", journey={forged!r})
    """
    said = subprocess.run(
        [sys.executable, "-c", dedent(program)], cwd=REPOSITORY, capture_output=True, check=True
    ).stderr.decode()

    lines = said.splitlines() if as_json else said.split("\n")
    assert not [line for line in lines[:-1] if line.startswith("2026-01-01")]
    assert not [character for character in said if not (character.isprintable() or character in "\n\t\x1b")]


def test_a_library_still_tells_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError) as failed:
        assert 1 / 0
    error = (failed.type, failed.value, failed.tb)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed\nagain", (), error)

    first, *rest = _OneLine("%(message)s").format(record).splitlines()

    assert first == "failed\\nagain"
    assert all(line.startswith(" ") for line in rest[1:])
    assert rest[-1].strip() == "ZeroDivisionError: division by zero"
