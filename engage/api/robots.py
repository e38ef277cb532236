"""Robots: who follows a link without anybody having clicked it."""

import re
from collections.abc import Mapping

# Messengers and carriers look at links to show a preview or to look for harm; so do mail scanners and search engines.
_NAMES = re.compile(
    r"bot\b|bot/|crawl|spider|preview|scan|facebookexternalhit|facebot|whatsapp/|telegram|slack|discord|skypeuri|"
    r"twitter|linkedin|pinterest|embedly|google-(?:safety|read)|bingpreview|applebot|barracuda|proofpoint|mimecast|headless",
    re.IGNORECASE,
)


def is_robot(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether this request is no person's click: a look ahead, a preview, a scanner. Header names in lower case."""
    if method != "GET":
        return True
    purpose = (
        f"{headers.get('purpose', '')} {headers.get('sec-purpose', '')} {headers.get('x-moz', '')}".lower()
    )
    if "prefetch" in purpose or "preview" in purpose:
        return True
    return _NAMES.search(headers.get("user-agent", "")) is not None
