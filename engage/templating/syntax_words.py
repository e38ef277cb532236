"""What Jinja2 says about a template that it cannot read, in a marketer's words, with what to write."""

import re
from difflib import get_close_matches

_UNCLOSED = ("unexpected 'end of template'", "unexpected end of template, expected")
_ENDS = {"end of print statement": "}}", "end of statement block": "%}"}
_TAGS = ("if", "elif", "else", "for", "set", "include", "extends", "block", "macro", "import", "from", "with")
_BLOCK = re.compile(r"block that needs to be closed is '(\w+)'")
_TAG = re.compile(r"[Ee]ncountered unknown tag '(\w+)'")
_CHARACTER = re.compile(r"unexpected char (['\"])(.)\1 at \d+", re.DOTALL)
_EXPECTED = re.compile(r"expected token '(.+)', got '(.+)'")
_CLOSING = re.compile(r"unexpected '([})\]])'(?:, expected '([})\]])')?")
_OTHER_WORDS = {"=": "==", "&": "and", "of": "in"}
_QUOTES = "‘’“”„«»`"


def in_words(message: str | None) -> tuple[str, str]:
    """Return what is wrong, and what to do about it ('' where nobody can know)."""
    text = (message or "this cannot be read").rstrip(".")
    if text.startswith(_UNCLOSED):
        return "a `{{` is not closed with `}}`", ""
    if text == "expected name or number":
        return "after a dot the name is missing", ""
    if text == "Missing end of comment tag":
        return "a `{#` is not closed with `#}`", ""
    return _of_tags(text) or _of_characters(text) or _of_words(text) or (text[:1].lower() + text[1:], "")


def _of_tags(text: str) -> tuple[str, str] | None:
    tag, block = _TAG.search(text), _BLOCK.search(text)
    if tag is not None:
        name = tag[1]
        if block is not None:
            return (
                f"`{{% {name} %}}` stands where `{{% end{block[1]} %}}` is due",
                "end what was begun last first",
            )
        if name.startswith("end"):
            return (
                f"`{{% {name} %}}` ends what was never begun",
                f"take it away, or begin with `{{% {name[3:]} … %}}`",
            )
        close = get_close_matches(name, _TAGS, 1)
        return f"there is no `{{% {name} %}}`", f"did you mean `{{% {close[0]} %}}`?" if close else ""
    if block is not None:
        return f"`{{% {block[1]} … %}}` is never ended", f"write `{{% end{block[1]} %}}` where it ends"
    return None


def _of_characters(text: str) -> tuple[str, str] | None:
    found = _CHARACTER.match(text)
    if found is not None:
        sign = found[2]
        if sign in _QUOTES:
            return f"`{sign}` is not a quote here", "use straight quotes: `'text'`"
        if sign in "'\"":
            return f"a text is not closed with {sign}", ""
        if sign in "–—−":
            return f"`{sign}` is no minus", "write `-`"
        hint = f"did you mean `{_OTHER_WORDS[sign]}`?" if sign in _OTHER_WORDS else ""
        return f"`{sign}` cannot stand between `{{{{` and `}}}}`", hint
    closing = _CLOSING.match(text)
    if closing is not None and closing[2]:
        return f"`{closing[1]}` stands where `{closing[2]}` is missing", f"write `{closing[2]}` before it"
    if closing is not None:
        return f"`{closing[1]}` closes nothing", "a value ends with `}}`, without a blank between"
    return None


def _of_words(text: str) -> tuple[str, str] | None:
    found = _EXPECTED.match(text)
    if found is not None:
        wanted, got = found.groups()
        if got in _OTHER_WORDS and (got == "=" or _OTHER_WORDS[got] == wanted):
            return f"`{got}` cannot stand here", f"did you mean `{_OTHER_WORDS[got]}`?"
        if wanted == "name" and got in _ENDS:
            return "the name of a filter is missing behind `|`", ""
        if wanted in _ENDS:
            return (
                f"`{got}` cannot stand here",
                f"`{_ENDS[wanted]}` is missing before it, or `|` before a filter",
            )
        return f"`{got}` cannot stand here", f"`{wanted}` is missing before it"
    if text.lower().startswith(("expected an expression", "unexpected 'end of")):
        end = next((sign for name, sign in _ENDS.items() if name in text), "`}}`")
        return f"nothing stands before `{end}`", "a value is missing"
    return None
