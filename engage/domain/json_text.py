"""JSON text as strangers write it: what no text can hold is mended before it is read."""

import re

_BOM = b"\xef\xbb\xbf"
# An escape, whole: a pair of surrogates, a lone surrogate (group 1), or any other one.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def mended(body: bytes) -> bytes:
    """Return the body without a byte-order mark, and with lone surrogates (`"\\ud83d"`, half an emoji cut off by a
    browser's `substring`) as U+FFFD: JSON lets them through, no text can hold them."""
    body = body.removeprefix(_BOM)
    if b"\\ud" in body or b"\\uD" in body:
        body = _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], body)
    return body
