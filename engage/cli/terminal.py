"""The terminal: what strangers wrote is shown to people and never obeyed by their screen."""

import re
import sys
from io import TextIOWrapper
from typing import TextIO

from rich.console import Console

# Everything that moves a cursor, hides, talks back, or turns the direction of writing; plain colours are ours and stay.
_COLOUR = r"\x1b\[(?:[0-4]|22|39|49|[39][0-7])?m"
_COMMANDS = re.compile(
    rf"{_COLOUR}|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]"
)


def harmless(text: str) -> str:
    r"""Return a text with what a terminal would obey written out, as JSON writes it: `\u001b`."""
    return text if text.isascii() and text.isprintable() else _COMMANDS.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    return found[0] if len(found[0]) > 1 else f"\\u{ord(found[0]):04x}"


class Harmless(TextIOWrapper):
    """Standard output or error as people see it; see `harmless`."""

    unguarded: TextIO
    """What it guards: for bars of progress, which do move the cursor."""

    def write(self, text: str, /) -> int:
        """Write a text."""
        super().write(harmless(text))
        return len(text)


def guard_terminal() -> None:
    """Let nothing that is printed from now on reach the terminal as a command to it."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper) and not isinstance(stream, Harmless):
            stream.flush()
            guarded = Harmless(
                stream.buffer,
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering,
            )
            guarded.unguarded = stream
            setattr(sys, name, guarded)


def screen(*, stderr: bool, width: int | None = None) -> Console:
    """Return where tables and bars of progress are drawn; nothing that strangers wrote belongs there."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream.unguarded if isinstance(stream, Harmless) else stream, width=width)
