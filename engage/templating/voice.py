"""Calls: the say-list of `voice.yaml`, compiled, becomes TwiML for one person.

What depends on a pressed digit, a spoken word, a dialled number or an answering machine travels in addresses of ours
(`engage.ports.call_turns`); the channel turns each into its webhook's, sealed.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from engage.ports.call_turns import HUMAN, MACHINE, MAX_DOCUMENT, OTHERWISE, Turn, answer_document, pack
from engage.ports.channel import VoiceContent
from engage.templating.values import RefusalError, rendering

SSML = frozenset({"break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w"})
"""What a voice may be told between the words; Twilio, `<Say>`."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = {"sip:": "Sip", "client:": "Client"}

Text = Callable[[dict[str, Any]], str]
"""A compiled text: gives its rendering from the values."""
CompileText = Callable[[str, str, bool], Text]
"""From where it stands, its source, and whether `secret` is allowed."""
Report = Callable[[str, str, str], None]
"""Where, message, hint."""


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a text."""

    text: Text
    attributes: str = ""
    """Voice, language and repetitions of its own."""
    is_ssml: bool = False
    """The text is markup for the voice, its values escaped."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Be silent for whole seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Play:
    """Play a recording."""

    address: Text
    loop: int = 1


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect the person to a number; then go on by what became of it, and with what follows."""

    number: Text
    attributes: str = ""
    at: int = 0
    on: Mapping[str, "Branch"] | None = None
    """None: whatever becomes of it, the call goes on with what follows."""
    otherwise: tuple["Verb", ...] = ()


@dataclass(frozen=True, slots=True)
class Agent:
    """Put the caller into the queue of a workflow of agents."""

    workflow: str
    attributes: Mapping[str, Text]


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call."""


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The person wants no more calls."""


@dataclass(frozen=True, slots=True)
class Record:
    """Record what the person says, as a voicemail; then go on with what follows."""

    number: int
    seconds: int
    timeout: int
    finish: str
    beep: bool


@dataclass(frozen=True, slots=True)
class Branch:
    """What follows one choice."""

    verbs: tuple["Verb", ...]
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gather:
    """Wait for digits or words and go on by them; then with what follows."""

    number: int
    attributes: str
    prompt: Say | None
    on: Mapping[str, Branch]
    otherwise: tuple["Verb", ...]
    times: int = 1
    """How often to ask before `otherwise`."""


Verb = Say | Pause | Play | Dial | Agent | Hangup | Unsubscribe | Record | Gather


@dataclass(frozen=True, slots=True)
class VoiceScript:
    """One `voice.yaml`, compiled."""

    attributes: str
    """Of every `<Say>` that has none of its own: voice and language."""
    machine: str
    say: tuple[Verb, ...]
    on_machine: tuple[Verb, ...]
    ring_seconds: int | None = None

    def render(self, values: dict[str, Any]) -> VoiceContent:
        """Return the call.

        Raises:
            RefusalError: a value is missing, or the document is too long.
        """
        twiml = self._document(self.say, values)
        if self.on_machine:
            turns = {HUMAN: Turn(twiml), MACHINE: Turn(self._document(self.on_machine, values))}
            twiml = _HEAD + answer_document(turns)
        return VoiceContent(twiml=twiml, machine=self.machine, ring_seconds=self.ring_seconds)

    def _document(self, verbs: Sequence[Verb], values: dict[str, Any]) -> str:
        text = f"{_HEAD}<Response>{''.join(self._parts(verbs, values))}</Response>"
        if len(text) > MAX_DOCUMENT:
            raise RefusalError("the call is too long: menus within menus repeat what follows them")
        # It will be packed, and packed again by the menu around it.
        rendering.spend(len(text) // 4)
        return text

    def _parts(self, verbs: Sequence[Verb], values: dict[str, Any]) -> Iterator[str]:
        for at, verb in enumerate(verbs):
            rest = verbs[at + 1 :]
            match verb:
                case Say():
                    yield self._said(verb, values)
                case Pause():
                    yield f'<Pause length="{verb.seconds}"/>'
                case Play():
                    loop = "" if verb.loop == 1 else f' loop="{verb.loop}"'
                    yield f"<Play{loop}>{xml_escaped(verb.address(values))}</Play>"
                case Dial():
                    yield self._dialled(verb, rest, values)
                    if verb.on is not None:
                        return
                case Agent():
                    yield _queued(verb, values)
                case Hangup():
                    yield "<Hangup/>"
                case Unsubscribe():
                    pass
                case Record():
                    # Twilio goes on at the action, not with the next verb.
                    yield self._recorded(verb, rest, values)
                    return
                case Gather():
                    yield self._gathered(verb, rest, values)
                    if verb.times > 1:
                        return
                    # Nothing was pressed: Twilio goes on with the next verb.
                    yield from self._parts(verb.otherwise, values)

    def _gathered(self, gather: Gather, rest: Sequence[Verb], values: dict[str, Any]) -> str:
        turns = self._branches(gather.on, rest, values)
        attributes = gather.attributes
        if gather.times > 1:
            # Silence too is told to the action then, which asks again.
            attributes += ' actionOnEmptyResult="true"'
            again = (replace(gather, times=gather.times - 1), *rest)
            turns[OTHERWISE] = self._turn(again, (), values)
        else:
            turns[OTHERWISE] = self._turn((*gather.otherwise, *rest), gather.otherwise, values)
        prompt = "" if gather.prompt is None else self._said(gather.prompt, values)
        action = f"engage:gather?{gather.number}.{pack(turns)}"
        return f'<Gather{attributes} action="{action}">{prompt}</Gather>'

    def _dialled(self, dial: Dial, rest: Sequence[Verb], values: dict[str, Any]) -> str:
        number = xml_escaped(dial.number(values).strip())
        noun = next((noun for prefix, noun in _SPECIAL.items() if number.startswith(prefix)), None)
        if noun is not None:
            number = f"<{noun}>{number if noun == 'Sip' else number.removeprefix('client:')}</{noun}>"
        if dial.on is None:
            return f"<Dial{dial.attributes}>{number}</Dial>"
        turns = self._branches(dial.on, rest, values)
        turns[OTHERWISE] = self._turn((*dial.otherwise, *rest), dial.otherwise, values)
        return f'<Dial{dial.attributes} action="engage:gather?{dial.at}.{pack(turns)}">{number}</Dial>'

    def _branches(
        self, on: Mapping[str, Branch], rest: Sequence[Verb], values: dict[str, Any]
    ) -> dict[str, Turn]:
        return {
            key: self._turn((*branch.verbs, *rest), branch.verbs, values, branch.also)
            for key, branch in on.items()
        }

    def _recorded(self, record: Record, rest: Sequence[Verb], values: dict[str, Any]) -> str:
        action = f"engage:gather?{record.number}.{pack({OTHERWISE: self._turn(rest, (), values)})}"
        return (
            f'<Record maxLength="{record.seconds}" timeout="{record.timeout}" finishOnKey={quoteattr(record.finish)}'
            f' playBeep="{str(record.beep).lower()}" action="{action}" recordingStatusCallback="engage:recording"/>'
        )

    def _turn(
        self,
        verbs: Sequence[Verb],
        branch: Sequence[Verb],
        values: dict[str, Any],
        also: tuple[str, ...] = (),
    ) -> Turn:
        says_no = any(isinstance(verb, Unsubscribe) for verb in branch)
        return Turn(self._document(verbs, values), unsubscribe=says_no, also=also)

    def _said(self, say: Say, values: dict[str, Any]) -> str:
        text = say.text(values)
        inner = _ssml(text) if say.is_ssml else xml_escaped(text)
        return f"<Say{say.attributes or self.attributes}>{inner}</Say>"


_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


def _queued(agent: Agent, values: dict[str, Any]) -> str:
    attributes = {name: text(values) for name, text in agent.attributes.items()}
    task = xml_escaped(msgspec.json.encode(attributes).decode())
    return f'<Enqueue workflowSid="{agent.workflow}"><Task>{task}</Task></Enqueue>'


def _ssml(text: str) -> str:
    """Return markup for the voice as it is, once it has proved to be such.

    Raises:
        RefusalError: it is not well-formed, or holds what no voice knows.
    """
    text = xml_text(text)
    wrong = ssml_mistake(text)
    if wrong is not None:
        raise RefusalError(wrong)
    return text


def ssml_mistake(text: str) -> str | None:
    """Return what is wrong with markup for a voice, or None."""
    if "<!" in text or "<?" in text:
        return "a voice understands tags only"
    try:
        root = ET.fromstring(f"<Say>{text}</Say>")  # noqa: S314  # no document type, so no entities
    except ET.ParseError as exc:
        return f"the markup is not well-formed ({str(exc).partition(':')[0]})"
    strange = sorted({child.tag for child in root.iter()} - SSML - {"Say"})
    return f"no voice knows <{strange[0]}>" if strange else None


def handwritten(text: str) -> str:
    """Return a document of `voice.xml` once it has proved to be one.

    Raises:
        RefusalError: it is no TwiML.
    """
    text = xml_text(text).strip()
    wrong = document_mistake(text)
    if wrong is not None:
        raise RefusalError(wrong)
    return text


def document_mistake(text: str) -> str | None:
    """Return why a text is no TwiML document, or None."""
    if "<!DOCTYPE" in text:
        return "a call's document has no document type"
    try:
        root = ET.fromstring(text.encode())  # noqa: S314  # no document type, so no entities
    except ET.ParseError as exc:
        return f"the document is not well-formed ({exc})"
    return None if root.tag == "Response" else f"the document is a <{root.tag}>, not a <Response>"


def xml_text(text: str) -> str:
    """Return a document without the characters that XML 1.0 does not have."""
    return _NOT_XML.sub("", text)


def xml_escaped(text: str) -> str:
    """Return a text as it stands in a document."""
    return escape(xml_text(text))
