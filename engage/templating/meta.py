"""`meta.yaml`: what belongs to a template beside its texts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from email.utils import parseaddr
from functools import lru_cache
from typing import Any

from engage.templating.values import RefusalError
from engage.templating.voice import CompileText, Text

_TEXTS = ("subject", "preheader", "from", "reply_to")
_KEYS = (*_TEXTS, "description", "required", "tracking", "media")
MAX_HEADER = 998
"""Characters of a line of a mail; RFC 5322 §2.1.1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Meta:
    """One `meta.yaml`, compiled."""

    description: str = ""
    required: tuple[str, ...] = ()
    """Paths that must have a value: `with.code`, `entry.order_id`."""
    subject: Text | None = None
    preheader: str | None = None
    """A template's source: it becomes part of the HTML."""
    sender: Text | None = None
    reply_to: Text | None = None
    media: tuple[Text, ...] = field(default=())


def compile_meta(given: Any, compile_text: CompileText, report: Callable[[str, str, str], None]) -> Meta:
    """Return the compiled meta; what is wrong in it is reported and left out."""
    if not isinstance(given, Mapping):
        report("", "a mapping was expected", "write `subject: …`")
        return Meta()
    for name in given:
        if name not in _KEYS:
            close = get_close_matches(str(name), _KEYS, 1)
            report("", f"`{name}` is not known", f"did you mean `{close[0]}`?" if close else "")
    texts: dict[str, str] = {}
    for name in (*_TEXTS, "description"):
        value = given.get(name)
        if isinstance(value, Mapping) and name in {"from", "reply_to"}:
            value = _mailbox(value)
        if isinstance(value, str):
            texts[name] = value
        elif given.get(name) is not None:
            report(name, "a text was expected", "put it in quotes")
    compiled = {name: compile_text(name, texts[name], False) for name in _TEXTS if name in texts}
    media = _texts(given.get("media", []), "media", report)
    return Meta(
        description=texts.get("description", ""),
        required=tuple(
            name if "." in name else f"with.{name}"
            for name in _texts(given.get("required", []), "required", report)
        ),
        subject=compiled.get("subject"),
        preheader=texts.get("preheader"),
        sender=compiled.get("from"),
        reply_to=compiled.get("reply_to"),
        media=tuple(compile_text(f"media.{at}", address, False) for at, address in enumerate(media)),
    )


def _texts(value: Any, where: str, report: Callable[[str, str, str], None]) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return list(value)
    report(where, "a list of texts was expected", f"write `{where}: [one, two]`")
    return []


def _mailbox(given: Mapping[str, Any]) -> str | None:
    """Return `{email: …, name: …}` as it is written in one line; none if it is something else."""
    email, name = given.get("email"), given.get("name")
    if not isinstance(email, str) or not isinstance(name, str | None) or set(given) - {"email", "name"}:
        return None
    return f"{name} <{email}>" if name else email


def header(text: str) -> str:
    """Return a text as one line that can stand in a header: whatever breaks lines is a space."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())[:MAX_HEADER]


@lru_cache(maxsize=256)
def address(text: str, what: str) -> tuple[str | None, str]:
    """Return the name and the address of `Shop <hello@shop.example>`.

    Raises:
        RefusalError: there is no address in it.
    """
    name, found = parseaddr(header(text))
    if "@" not in found:
        raise RefusalError(f"`{what}` has no mail address")
    return name or None, found
