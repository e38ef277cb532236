"""The pixel: a call as the address of a picture, for places where no script runs."""

from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl

from engage.api.answers import to_json

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;"
)
"""One transparent pixel."""
MAX_FIELDS = 300
_URLSAFE = str.maketrans("-_", "+/")


def pixel_body(query_string: bytes) -> bytes | None:
    """Return the JSON of the call in a pixel's query: `data` as base64 JSON, or fields with dotted names.

    None: there is nothing to read.
    """
    try:
        fields = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return None
    named = dict(fields)
    if "data" in named:
        return _decoded(named["data"])
    try:
        return to_json(_nested(fields)) if fields else None
    except RecursionError:  # a name of a thousand dots
        return None


def _decoded(data: str) -> bytes | None:
    # `parse_qsl` read a `+` of ordinary base64 as a blank.
    text = data.replace(" ", "+").translate(_URLSAFE)
    try:
        return b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return data.encode() if data.lstrip().startswith("{") else None


def _nested(fields: list[tuple[str, str]]) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for name, value in fields:
        place = item
        *path, last = name.split(".")
        for part in path:
            below = place.setdefault(part, {})
            if not isinstance(below, dict):
                break
            place = below
        else:
            place[last] = value
    return item
