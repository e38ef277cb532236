"""`meta.yaml`: what belongs to a template beside its texts."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from engage.ports.channel import Attachment
from engage.templating.values import RefusalError
from engage.templating.voice import CompileText, Text

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MIME = re.compile(r"[a-z]+/[a-z0-9.+-]+")
_MAILBOX = re.compile(r"[^\s<>,;:\"()\[\]\\]+@[^\s<>,;:\"()\\]+")
_SPECIAL = re.compile(r'[\[\]\\()<>@,:;".]')
"""What a name holds in quotes only; RFC 5322 §3.2.3."""
_TEXTS = ("subject", "preheader", "from", "reply_to")
_KEYS = (
    *_TEXTS,
    "description",
    "required",
    "tracking",
    "media",
    "categories",
    "pool",
    "unsubscribe_group",
    "attachments",
)
MAX_ATTACHMENTS, MAX_ATTACHED_BYTES = 10, 1_000_000
"""Of one mail; a file that is larger belongs behind a link."""
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
    subject_source: str | None = None
    """The subject as written."""
    opens: bool | None = None
    """Whether the provider counts opens; none: as the account is set up. `clicks` likewise."""
    clicks: bool | None = None
    categories: tuple[str, ...] = ()
    pool: str | None = None
    """The provider's pool of addresses that sends this."""
    unsubscribe_group: int | None = None
    """The provider's own unsubscribe group, in place of our header."""
    attachments: tuple[tuple[str, str, Text], ...] = ()
    """Name, type, and the text that is rendered."""

    def attached(self, values: dict[str, Any]) -> tuple[Attachment, ...]:
        """Render the attachments.

        Raises:
            RefusalError: together they are too large.
        """
        made = tuple(
            Attachment(name=name, type=kind, content=text(values).encode())
            for name, kind, text in self.attachments
        )
        if sum(len(item.content) for item in made) > MAX_ATTACHED_BYTES:
            raise RefusalError(f"the attachments have more than {MAX_ATTACHED_BYTES:,} bytes")
        return made


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
        subject_source=texts.get("subject"),
        categories=tuple(dict.fromkeys(_texts(given.get("categories", []), "categories", report)))[:9],
        attachments=tuple(_attachments(given.get("attachments", []), compile_text, report)),
        **_counting(given.get("tracking")),
        **_sending(given, report),
    )


def _counting(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return {name: given[name] for name in ("opens", "clicks") if isinstance(given.get(name), bool)}
    return {"opens": given, "clicks": given} if isinstance(given, bool) else {}


def _sending(given: Mapping[str, Any], report: Callable[[str, str, str], None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    pool, group = given.get("pool"), given.get("unsubscribe_group")
    if isinstance(pool, str) and 2 <= len(pool) <= 64:
        found["pool"] = pool
    elif pool is not None:
        report("pool", "the name of a pool has 2 to 64 characters", "")
    if isinstance(group, int | Decimal) and not isinstance(group, bool) and group > 0:
        found["unsubscribe_group"] = int(group)
    elif group is not None:
        report("unsubscribe_group", "the number of a group was expected", "write `unsubscribe_group: 12`")
    return found


def _attachments(
    given: Any, compile_text: CompileText, report: Callable[[str, str, str], None]
) -> Iterator[tuple[str, str, Text]]:
    if not isinstance(given, list) or len(given) > MAX_ATTACHMENTS:
        report(
            "attachments",
            f"a list of at most {MAX_ATTACHMENTS} was expected",
            "write `- {name: a.ics, text: …}`",
        )
        return
    for at, item in enumerate(given):
        where = f"attachments.{at}"
        name, text = (item.get("name"), item.get("text")) if isinstance(item, Mapping) else (None, None)
        kind = item.get("type", "text/plain") if isinstance(item, Mapping) else None
        if not (isinstance(name, str) and isinstance(text, str) and isinstance(kind, str)):
            report(
                where,
                "`name` and `text` were expected",
                "write `{name: class.ics, type: text/calendar, text: …}`",
            )
        elif not _FILE_NAME.fullmatch(name) or not _MIME.fullmatch(kind):
            report(
                where,
                "this is no name or type of a file",
                "letters, digits, `.`, `-` and `_`; `text/calendar`",
            )
        else:
            yield name, kind, compile_text(f"{where}.text", text, False)


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
    """Return a text as one line that can stand in a header: whatever breaks lines is a space, and nothing is an encoded word
    (RFC 2047), which could hold what breaks them."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split()).replace("=?", "= ?")[:MAX_HEADER]


@lru_cache(maxsize=256)
def address(text: str, what: str) -> tuple[str | None, str]:
    """Return the name and the address of `Shop <hello@shop.example>`.

    The address is what the last brackets hold, or the whole text: a value in the name makes no other address of it.

    Raises:
        RefusalError: there is no address in it.
    """
    written = header(text)
    name, _, found = written[:-1].rpartition("<") if written.endswith(">") else ("", "", written)
    if _MAILBOX.fullmatch(found) is None:
        raise RefusalError(f"`{what}` has no mail address")
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('\\"', '"')
    return name or None, found


def mailbox(text: str, what: str) -> str:
    """Return the same as one header that every reader takes for one address.

    Raises:
        RefusalError: there is no address in it.
    """
    name, found = address(text, what)
    if name is None:
        return found
    if _SPECIAL.search(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{found}>"
