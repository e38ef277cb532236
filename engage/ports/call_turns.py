"""How a call may go on: what a rendered call carries for each thing that may happen in it.

A call is one TwiML document. What depends on the person stands in it as an address of ours, `engage:gather?N.PAYLOAD`
(a menu, a recording, a dialled number) or `engage:answer?N.PAYLOAD` (who answered): the payload is URL-safe base64 of a
zlib-compressed JSON object that maps what may happen to the document to go on with:

    {"1": {"twiml": "<Response>…", "also": ["yes"], "unsubscribe": true}, "otherwise": {"twiml": "<Response>…"}}

Templating packs it, a channel turns the address into its webhook's and unpacks it, a scenario plays it.
"""

import base64
import re
import xml.etree.ElementTree as ET
import zlib
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

MAX_DOCUMENT = 64 * 1024
"""Characters of a document: Twilio's limit for one that it fetches; also bounds what a payload may unpack to."""
OTHERWISE, HUMAN, MACHINE = "otherwise", "human", "machine"
HANG_UP = '<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>'
ADDRESS = re.compile(r"engage:(gather|answer|recording)(?:\?(\d{1,4})\.([A-Za-z0-9_-]+))?")
_ONLY_ANSWER = re.compile(
    r"(?:<\?xml[^>]*\?>)?\s*<Response><Redirect>(engage:answer\?\d{1,4}\.[A-Za-z0-9_-]+)</Redirect></Response>\s*\Z"
)
_WORDS = re.compile(r"[^\W_]+")


class Turn(msgspec.Struct, frozen=True, omit_defaults=True):
    """One way a call may go on."""

    twiml: str
    unsubscribe: bool = False
    """Choosing it is a "no" to further calls."""
    also: tuple[str, ...] = ()
    """What else chooses it: other digits, words to be said."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What somebody chose, and how the call goes on."""

    key: str | None
    """The first word of the branch; none: nothing that the call knows."""
    turn: Turn | None


Turns = Mapping[str, Turn]
_decoder = msgspec.json.Decoder(dict[str, Turn])


def pack(turns: Turns) -> str:
    """Return turns as they stand in an address."""
    return base64.urlsafe_b64encode(zlib.compress(msgspec.json.encode(turns), 9)).decode("ascii").rstrip("=")


def unpack(payload: str) -> dict[str, Turn]:
    """Return the turns of an address; none if it is damaged. Never raises."""
    try:
        return unpack_bytes(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (Base64Error, ValueError):
        return {}


def unpack_bytes(packed: bytes) -> dict[str, Turn]:
    """Return the turns of a payload that is no longer text; none if it is damaged. Never raises."""
    try:
        return _decoder.decode(zlib.decompressobj().decompress(packed, MAX_DOCUMENT * 4))
    except (zlib.error, ValueError, RecursionError):
        return {}


def answer_address(twiml: str) -> str | None:
    """Return the address a whole document consists of where it depends on who answers."""
    only = _ONLY_ANSWER.match(twiml)
    return only[1] if only else None


def answer_document(turns: Turns) -> str:
    """Return the document that depends on who answers."""
    return f"<Response><Redirect>engage:answer?0.{pack(turns)}</Redirect></Response>"


def is_machine(answered_by: str) -> bool:
    """Return whether an answering machine took the call. Twilio: treat `unknown` as a person."""
    return answered_by.startswith("machine")


def on_answer(turns: Turns, answered_by: str) -> Turn | None:
    """Return how the call goes on with who answered; none: not at all. A fax understands nothing."""
    if answered_by == "fax":
        return None
    return turns.get(MACHINE if is_machine(answered_by) else HUMAN)


def on_input(turns: Turns, *, digits: str = "", speech: str = "", event: str = "") -> Chosen:
    """Return what was chosen by pressing `digits`, by saying `speech`, or by what became of a dialled number."""
    for wanted in filter(None, (digits, event)):
        for key, turn in turns.items():
            if key != OTHERWISE and wanted in (key, *turn.also):
                return Chosen(key, turn)
    if speech:
        said = _said(turns, speech)
        if said is not None:
            return Chosen(said, turns[said])
    return Chosen(None, turns.get(OTHERWISE))


def _said(turns: Turns, speech: str) -> str | None:
    """The branch with the longest phrase that stands in what was said, as whole words in any case."""
    heard = f" {_plain(speech)} "
    found = [
        (len(plain), key)
        for key, turn in turns.items()
        if key != OTHERWISE
        for phrase in (key, *turn.also)
        if (plain := _plain(phrase)) and f" {plain} " in heard
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _plain(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold()))


def spoken(twiml: str) -> str:
    """Return what a person hears at first, one line a sentence; of a document that is no XML the document itself."""
    address = answer_address(twiml)
    if address is not None:
        human = _turns_at(address).get(HUMAN)
        return "" if human is None else spoken(human.twiml)
    try:
        root = ET.fromstring(twiml)  # noqa: S314  # rendered by us, checked where it was written by hand
    except ET.ParseError:
        return twiml
    lines = [" ".join("".join(say.itertext()).split()) for say in root.iter("Say")]
    return "\n".join(line for line in lines if line)


def everything_spoken(twiml: str) -> str:
    """Return everything that may be said in a call, whatever is chosen and whoever answers."""
    return "\n".join(dict.fromkeys(_everything(twiml)))


def _everything(twiml: str) -> Iterator[str]:
    yield spoken(twiml)
    for address in ADDRESS.finditer(twiml):
        for turn in (unpack(address[3]) if address[3] else {}).values():
            yield from _everything(turn.twiml)


def _turns_at(address: str) -> dict[str, Turn]:
    found = ADDRESS.match(address)
    return unpack(found[3]) if found and found[3] else {}
