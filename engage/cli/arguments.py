"""Arguments: what several commands read alike."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click

from engage.domain.timing import parse_instant_text

COUNT = click.IntRange(min=1)
COUNT_OR_NONE = click.IntRange(min=0)
SOME_TIME = click.FloatRange(min=0, min_open=True)

ALWAYS_JSON = click.option(
    "--json", is_flag=True, expose_value=False, help="Print JSON; so it does without being told."
)
"""Taken where nothing but JSON is printed, for whoever says it to every command alike."""


def instant(text: str, zone: ZoneInfo) -> datetime:
    """Return the instant a text says; one without an offset is on the wall of `zone`.

    Raises:
        click.UsageError: it is none.
    """
    found = parse_instant_text(text) or parse_instant_text(text, zone)
    if found is None:
        raise click.UsageError(f"`{text}` is no instant; write `2026-03-01T10:00:00Z` or `2026-03-01 10:00`")
    return found.astimezone(UTC)
