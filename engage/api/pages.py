"""Pages people reach from a message: plain HTML, no script, nothing loaded from anywhere."""

from collections.abc import Iterable, Sequence
from html import escape

from engage.engine.accept_consent import Choice

SAFE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
_CHANNELS = {"email": "E-mail", "sms": "SMS", "whatsapp": "WhatsApp", "voice": "Phone calls", "chat": "Chat"}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#1b1b1f;background:#fff}"
    "fieldset{border:1px solid #d0d0d8;border-radius:8px;margin:1rem 0;padding:.75rem 1rem}"
    "label{display:block;padding:.25rem 0}small{color:#55555f}"
    "button{font:inherit;padding:.5rem 1.25rem;border:0;border-radius:8px;background:#2446d8;color:#fff;cursor:pointer}"
    "@media(prefers-color-scheme:dark){body{background:#16161a;color:#ececf1}small{color:#a5a5b0}}"
)


def preferences_page(choices: Sequence[Choice], *, saved: bool = False) -> str:
    """Return the form with one box per (channel, topic)."""
    channels = list(dict.fromkeys(choice.channel for choice in choices))
    groups = "".join(_group(channel, [c for c in choices if c.channel == channel]) for channel in channels)
    note = '<p role="status"><strong>Saved.</strong></p>' if saved else ""
    form = (
        f'<form method="post">{groups}<button>Save</button></form>'
        if choices
        else "<p>Nothing to choose.</p>"
    )
    return _page("Your preferences", f"{note}<p>Choose what you want to hear from us.</p>{form}")


def done_page(title: str, text: str) -> str:
    """Return a page that says one thing."""
    return _page(title, f"<p>{escape(text)}</p>")


def confirm_page(topic: str, channel: str) -> str:
    """Return the page with the button that confirms; opening it confirms nothing."""
    where = _CHANNELS.get(channel, channel)
    return _page(
        "Please confirm",
        f"<p>Do you want to get “{escape(topic)}” by {escape(where)}?</p>"
        '<form method="post"><button>Yes, I do</button></form>',
    )


def _group(channel: str, choices: Iterable[Choice]) -> str:
    boxes = "".join(_box(choice) for choice in choices)
    return f"<fieldset><legend>{escape(_CHANNELS.get(channel, channel))}</legend>{boxes}</fieldset>"


def _box(choice: Choice) -> str:
    name = escape(f"{choice.channel}.{choice.topic}", quote=True)
    state = " checked" if choice.on else ""
    note = f"<br><small>{escape(choice.description)}</small>" if choice.description else ""
    if choice.closed and choice.kept_by_carrier:
        state = " disabled"
        note += "<br><small>You sent STOP. Send START to the same number to get these again.</small>"
    return f'<label><input type="checkbox" name="{name}"{state}> {escape(choice.title)}{note}</label>'


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
