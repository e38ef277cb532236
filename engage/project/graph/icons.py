"""Icons and colours of pictures: one calm hue per family of verbs, one line drawing per verb on a grid of 20."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """How a verb looks."""

    ink: str
    tint: str
    icon: str
    """Path data, drawn as lines."""


INK, SOFT, FAINT, LINE, PAPER, CARD = "#1f2a37", "#566373", "#8793a1", "#b9c3cd", "#fafaf8", "#ffffff"
EDGE = "#dde2e7"

_MAIL, _TEXT, _CALL, _TALK = (
    ("#44619d", "#ebf0f9"),
    ("#23786e", "#e6f3f1"),
    ("#9a6a1f", "#faf1e1"),
    ("#6a4f9c", "#f0ecf8"),
)
_TIME, _FORK, _DATA, _END = (
    ("#5b6876", "#eff2f5"),
    ("#84497d", "#f6edf5"),
    ("#3f6f8f", "#e8f1f6"),
    ("#a04b52", "#faeeee"),
)

_ICONS = {
    "email": "M2.5 5h15v10.5h-15z M2.5 5.5l7.5 5.5 7.5-5.5",
    "sms": "M3 4h14v9.5H9l-4 3.2v-3.2H3z M6.5 8.8h.1 M10 8.8h.1 M13.5 8.8h.1",
    "mms": "M3 4h14v9.5H9l-4 3.2v-3.2H3z M5.5 11l3-3 2.5 2.5 1.5-1.5 2.5 2",
    "whatsapp": "M10 3a7 7 0 0 0-6 10.6L3 17l3.5-1A7 7 0 1 0 10 3z M7.5 7.5c0 3 2 5 5 5l.6-1.6-1.8-1-.9.9c-.9-.4-1.5-1-1.9-1.9l.9-.9-.9-1.7z",
    "voice": "M5.2 3h2.6l1.3 3.6-1.7 1.3a9.5 9.5 0 0 0 4.7 4.7l1.3-1.7 3.6 1.3v2.6c0 .7-.6 1.2-1.2 1.2C9.2 16 4 10.8 4 4.2 4 3.6 4.5 3 5.2 3z",
    "chat": "M3 3.5h10.5v7.5H8L5 13.5V11H3z M9.5 13.5h4l2.5 2.5v-2.5h1.5V7",
    "reach": "M3 10h4l3-5 0 10 3-5h4",
    "wait": "M10 3a7 7 0 1 0 .01 0z M10 6v4.3l2.8 1.7",
    "wait_until": "M3.5 5h13v12h-13z M3.5 8.5h13 M7 3v3.5 M13 3v3.5 M10 11v2.5h2",
    "wait_for": "M5 3h10 M5 17h10 M6 3c0 4 3 5 4 7-1 2-4 3-4 7 M14 3c0 4-3 5-4 7 1 2 4 3 4 7",
    "branch": "M10 3v4 M10 7l-5 4v6 M10 7l5 4v6",
    "split": "M10 3v5 M10 8L4 17 M10 8l6 9 M10 8v9",
    "repeat": "M4 9a6 6 0 0 1 10.5-3.2L16.5 8 M16.5 4v4h-4 M16 11a6 6 0 0 1-10.5 3.2L3.5 12 M3.5 16v-4h4",
    "exit": "M8 3H4v14h4 M8 10h9 M13.5 6.5L17 10l-3.5 3.5",
    "set": "M4 14.5V17h2.5L16 7.5 13.5 5z M11.5 7l2.5 2.5",
    "remember": "M6 3h8v14l-4-3.5L6 17z",
    "subscribe": "M4 10.5l4 4 8-9",
    "unsubscribe": "M5 5l10 10 M15 5L5 15",
    "suppress": "M10 3a7 7 0 1 0 .01 0z M5.2 5.2l9.6 9.6",
    "add_to": "M8 4.5a2.8 2.8 0 1 0 .01 0z M3 16c0-3 2-5 5-5s5 2 5 5 M15.5 7v5 M13 9.5h5",
    "remove_from": "M8 4.5a2.8 2.8 0 1 0 .01 0z M3 16c0-3 2-5 5-5s5 2 5 5 M13 9.5h5",
    "emit": "M10 8.5a1.5 1.5 0 1 0 .01 0z M6.5 6.5a5 5 0 0 0 0 7 M13.5 6.5a5 5 0 0 1 0 7 M4 4a8.5 8.5 0 0 0 0 12 M16 4a8.5 8.5 0 0 1 0 12",
    "start": "M6 4l10 6-10 6z",
    "webhook": "M7 6l-4 4 4 4 M13 6l4 4-4 4 M11.5 4l-3 12",
    "sync": "M4 7h11l-3-3 M16 13H5l3 3",
    "handoff": "M7 5.5a2.5 2.5 0 1 0 .01 0z M2.5 16c0-2.7 1.9-4.5 4.5-4.5s4.5 1.8 4.5 4.5 M12.5 8h5 M15.5 6l2 2-2 2",
    "event": "M11 2.5L4.5 11H9.5L8.5 17.5 15.5 8.5h-5z",
    "audience": "M7 4.5a2.5 2.5 0 1 0 .01 0z M2.5 15c0-2.7 1.9-4.5 4.5-4.5s4.5 1.8 4.5 4.5 M13 5a2.3 2.3 0 1 1 0 4.6 M14 10.8c2.1.3 3.5 1.9 3.5 4.2",
    "trait": "M3 10l7-7h6.5v6.5l-7 7z M13.3 6.6h.1",
    "date": "M3.5 5h13v12h-13z M3.5 8.5h13 M7 3v3.5 M13 3v3.5 M8 12.5h4",
    "schedule": "M3.5 5h13v12h-13z M3.5 8.5h13 M7 3v3.5 M13 3v3.5 M10 11v2.5h2",
    "inbound": "M3 4h14v9.5H9l-4 3.2v-3.2H3z M10 6v4.5 M8 8.8l2 2 2-2",
    "signal": "M10 8.5a1.5 1.5 0 1 0 .01 0z M6.5 6.5a5 5 0 0 0 0 7 M13.5 6.5a5 5 0 0 1 0 7",
    "api": "M7 6l-4 4 4 4 M13 6l4 4-4 4 M11.5 4l-3 12",
}
_HUES = {
    **dict.fromkeys(("email",), _MAIL),
    **dict.fromkeys(("sms", "mms", "whatsapp"), _TEXT),
    **dict.fromkeys(("voice",), _CALL),
    **dict.fromkeys(("chat", "handoff", "reach"), _TALK),
    **dict.fromkeys(("wait", "wait_until"), _TIME),
    **dict.fromkeys(("wait_for", "branch", "split", "repeat"), _FORK),
    "exit": _END,
}
HUES = (_MAIL, _TEXT, _CALL, _TALK, _TIME, _FORK, _DATA, _END)
"""Every pair of an ink and its tint."""
_UNKNOWN = "M4 6h12 M4 10h12 M4 14h8"


def look_of(verb: str) -> Look:
    """Return how a verb, or a form of trigger, looks; one without a drawing of its own gets a plain one."""
    ink, tint = _HUES.get(verb, _DATA)
    return Look(ink, tint, _ICONS.get(verb, _UNKNOWN))
