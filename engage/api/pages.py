"""Pages people reach from a message: plain HTML, no script; in their language, in the project's colours, for any screen and reader."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from engage.api.page_words import WORDS, Words
from engage.domain.consent.consent import EVERY_TOPIC
from engage.domain.project_settings import PagesForm
from engage.engine.accept.consent import Choice

_SAFE = {
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
SAFE_HEADERS = _SAFE | {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
}
# Sizes are relative, so that a reader's own letter size holds; a line is at most as wide as one reads with ease.
_STYLE = """
:root{color-scheme:light dark;--accent:%(accent)s;--on-accent:%(on_accent)s;--ink:#1b1b1f;--soft:#55555f;--line:#8a8a94;--paper:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#ececf1;--soft:#b4b4be;--line:#82828c;--paper:#16161a}}
*{box-sizing:border-box}
body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:0 auto;padding:1.5rem 1rem 3rem;color:var(--ink);background:var(--paper);overflow-wrap:anywhere}
header{font-weight:600;margin-bottom:1.5rem}header img{max-width:12rem;max-height:4rem;display:block}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem}
fieldset{border:1px solid var(--line);border-radius:.5rem;margin:1rem 0;padding:.5rem 1rem;min-width:0}
legend{font-weight:600;padding:0 .25rem}legend::first-letter{text-transform:uppercase}
label{display:grid;grid-template-columns:1.5rem 1fr;gap:.75rem;align-items:start;padding:.6rem 0;min-height:2.75rem;cursor:pointer}
input{width:1.5rem;height:1.5rem;margin:0;accent-color:var(--accent)}
.soft{color:var(--soft)}.why{margin:-.4rem 0 .6rem 2.25rem;color:var(--soft);font-size:.9375rem}
.saved{border-left:.25rem solid var(--accent);padding:.5rem .75rem}
button{font:inherit;font-weight:600;min-height:2.75rem;padding:.5rem 1.25rem;border:1px solid var(--ink);border-radius:.5rem;background:var(--accent);color:var(--on-accent);cursor:pointer}
button.other{background:transparent;color:var(--ink)}
.ways{display:flex;flex-wrap:wrap;gap:1rem;margin:1.5rem 0 0}
a{color:var(--ink)}
:focus-visible{outline:3px solid var(--ink);outline-offset:3px}
footer{margin-top:2rem;font-size:.875rem;color:var(--soft)}
@media(min-width:30rem){body{padding-top:3rem}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a page looks and speaks: the project's theme, and the reader's language."""

    theme: PagesForm
    language: str

    @property
    def words(self) -> Words:
        """What it says."""
        return WORDS[self.language]

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a page: it loads nothing but the project's logo."""
        if self.theme.logo is None:
            return SAFE_HEADERS
        parts = urlsplit(self.theme.logo)
        policy = f"{SAFE_HEADERS['content-security-policy']}; img-src {parts.scheme}://{parts.netloc}"
        return SAFE_HEADERS | {"content-security-policy": policy}


def preferences_page(look: Look, address: str, choices: Sequence[Choice], note: str = "") -> str:
    """Return the form with one box per (channel, topic), and a button that leaves everything."""
    words = look.words
    channels = list(dict.fromkeys(choice.channel for choice in choices))
    groups = "".join(
        _group(look, channel, [c for c in choices if c.channel == channel]) for channel in channels
    )
    said = f'<p class="saved" role="status"><strong>{escape(note)}</strong></p>' if note else ""
    leave = (
        f'<button class="other" name="leave" value="all">{escape(words.leave_all)}</button>'
        if any(choice.on for choice in choices)
        else ""
    )
    form = (
        f'<form method="post">{groups}<p class="ways"><button>{escape(words.save)}</button>{leave}</p></form>'
        if choices
        else f"<p>{escape(words.nothing)}</p>"
    )
    whom = f'<p class="soft">{escape(words.about.format(address=address))}</p>'
    return _page(look, words.preferences, f"{said}<p>{escape(words.choose)}</p>{whom}{form}")


def unsubscribed_page(look: Look) -> str:
    """Return the page that says no more of these will come."""
    words = look.words
    back = f'<p><a href="">{escape(words.changed_mind)}</a></p>'
    return _page(look, words.unsubscribed, f'<p role="status">{escape(words.no_more)}</p>{back}')


def confirm_page(look: Look, topic: str, channel: str) -> str:
    """Return the page with the button that confirms; opening it confirms nothing."""
    words = look.words
    asked = words.question.format(topic=topic, channel=words.channels.get(channel, channel))
    return _page(
        look,
        words.confirm,
        f'<p>{escape(asked)}</p><form method="post"><button>{escape(words.yes)}</button></form>',
    )


def confirmed_page(look: Look) -> str:
    """Return the page that says thank you."""
    return _page(look, look.words.thanks, f'<p role="status">{escape(look.words.confirmed)}</p>')


def lost_page(look: Look, *, gone: bool) -> str:
    """Return the page of a link that leads nowhere: damaged, not ours, or (`gone`) to what is no longer kept."""
    words = look.words
    title, why = (words.gone, words.gone_why) if gone else (words.lost, words.lost_why)
    return _page(look, title, f"<p>{escape(why)}</p>")


def _group(look: Look, channel: str, choices: Iterable[Choice]) -> str:
    boxes = "".join(_box(look, choice) for choice in choices)
    name = look.words.channels.get(channel, channel)
    return f"<fieldset><legend>{escape(name)}</legend>{boxes}</fieldset>"


def _box(look: Look, choice: Choice) -> str:
    name = escape(f"{choice.channel}.{choice.topic}", quote=True)
    title, about = choice.words(look.language)
    if choice.topic == EVERY_TOPIC:
        title = look.words.everything
    state = " checked" if choice.on else ""
    notes = [about] if about else []
    if choice.closed and choice.kept_by_carrier:
        state = " disabled"
        notes.append(look.words.stopped)
    told = "".join(f'<p class="why" id="{name}.{n}">{escape(text)}</p>' for n, text in enumerate(notes))
    by = f' aria-describedby="{" ".join(f"{name}.{n}" for n in range(len(notes)))}"' if notes else ""
    return (
        f'<label><input type="checkbox" name="{name}"{state}{by}> <span>{escape(title)}</span></label>{told}'
    )


def _page(look: Look, title: str, body: str) -> str:
    theme = look.theme
    style = _STYLE % {"accent": theme.accent, "on_accent": theme.on_accent}
    name = escape(theme.name, quote=True)
    brand = f'<img src="{escape(theme.logo, quote=True)}" alt="{name}">' if theme.logo else name
    header = f"<header>{brand}</header>" if brand else ""
    home = f'<a href="{escape(theme.home, quote=True)}">{escape(look.words.home)}</a>' if theme.home else ""
    lines = " · ".join(part for part in (escape(theme.footer), home) if part)
    footer = f"<footer>{lines}</footer>" if lines else ""
    shown = f"{title} · {theme.name}" if theme.name else title
    return (
        f'<!doctype html><html lang="{look.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(shown)}</title><style>{style}</style></head>"
        f"<body>{header}<main><h1>{escape(title)}</h1>{body}</main>{footer}</body></html>"
    )
