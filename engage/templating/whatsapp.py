"""`whatsapp.yaml`: the approved template, and the free text that may be sent inside the 24-hour window."""

import re
from collections.abc import Callable, Mapping
from typing import Any

_KEYS = ("content", "variables", "text")
_CONTENT = re.compile(r"HX[0-9a-f]{32}\Z")


def compile_whatsapp(document: Any, report: Callable[[str, str, str], None]) -> str | None:
    """Check the document and return its free text; none if it has none or anything is wrong."""
    if not isinstance(document, Mapping):
        report("", "a mapping was expected", "write `content: HX…`")
        return None
    wrong = [name for name in document if name not in _KEYS]
    for name in wrong:
        report("", f"`{name}` is not known", f"one of {', '.join(_KEYS)}")
    content = document.get("content")
    if content is not None and not (isinstance(content, str) and _CONTENT.match(content)):
        report("content", "the id of an approved template was expected", "HX and 32 hexadecimal digits")
        return None
    text = document.get("text")
    if text is not None and not isinstance(text, str):
        report("text", "a text was expected", "put it in quotes")
        return None
    return text if not wrong else None
