"""Calls: the say-list of `voice.yaml`, checked at publish, rendered to TwiML.

What depends on a pressed digit, or on a machine answering, travels as a payload in an address of ours,
`engage:gather?N.PAYLOAD` and `engage:answer?N.PAYLOAD`: URL-safe base64 of the zlib-compressed JSON object
`{"1": {"twiml": "<Response>…", "unsubscribe": true}, "otherwise": …}` (`human`, `machine`). The channel turns such an
address into its webhook's, sealed.
"""

import base64
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from engage.ports.channel import VoiceContent
from engage.templating.values import RefusalError, rendering

MACHINES = ("off", "detect", "voicemail")
_TOP = ("voice", "language", "machine", "say", "on_machine")
_VERBS = ("say", "pause", "play", "gather", "dial", "record", "unsubscribe", "hangup")
_GATHER = ("digits", "timeout", "prompt", "finish")
_RECORD = ("seconds", "timeout", "finish", "beep")
_DIGITS = re.compile(r"[0-9*#]{1,32}\Z")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MAX_DOCUMENT = 64 * 1024
"""Twilio's limit for a document; nested menus repeat what follows them."""

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


@dataclass(frozen=True, slots=True)
class Pause:
    """Be silent for whole seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Play:
    """Play a recording."""

    address: Text


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect the person to a number."""

    number: Text


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
class Gather:
    """Wait for digits and go on by them; then with what follows."""

    number: int
    digits: int | None
    timeout: int
    finish: str | None
    prompt: Text | None
    on: Mapping[str, tuple["Verb", ...]]
    otherwise: tuple["Verb", ...]


Verb = Say | Pause | Play | Dial | Hangup | Unsubscribe | Record | Gather


class _Turn(msgspec.Struct, omit_defaults=True):
    twiml: str
    unsubscribe: bool = False


@dataclass(frozen=True, slots=True)
class VoiceScript:
    """One `voice.yaml`, compiled."""

    attributes: str
    """Of every `<Say>`: voice and language."""
    machine: str
    say: tuple[Verb, ...]
    on_machine: tuple[Verb, ...]

    def render(self, values: dict[str, Any]) -> VoiceContent:
        """Return the call.

        Raises:
            RefusalError: a value is missing, or the document is too long.
        """
        twiml = self._document(self.say, values)
        if self.on_machine:
            turns = {"human": _Turn(twiml), "machine": _Turn(self._document(self.on_machine, values))}
            twiml = _response(f"<Redirect>engage:answer?0.{_payload(turns)}</Redirect>")
        return VoiceContent(twiml=twiml, machine=self.machine)

    def _document(self, verbs: Sequence[Verb], values: dict[str, Any]) -> str:
        text = _response("".join(self._parts(verbs, values)))
        if len(text) > MAX_DOCUMENT:
            raise RefusalError("the call is too long: menus within menus repeat what follows them")
        # It will be packed, and packed again by the menu around it.
        rendering.spend(len(text) // 4)
        return text

    def _parts(self, verbs: Sequence[Verb], values: dict[str, Any]) -> Iterator[str]:
        for at, verb in enumerate(verbs):
            match verb:
                case Say():
                    yield self._said(verb.text(values))
                case Pause():
                    yield f'<Pause length="{verb.seconds}"/>'
                case Play():
                    yield f"<Play>{_xml(verb.address(values))}</Play>"
                case Dial():
                    yield f"<Dial>{_xml(verb.number(values).strip())}</Dial>"
                case Hangup():
                    yield "<Hangup/>"
                case Unsubscribe():
                    pass
                case Record():
                    # Twilio goes on at the action, not with the next verb.
                    yield self._recorded(verb, verbs[at + 1 :], values)
                    return
                case Gather():
                    yield self._gathered(verb, verbs[at + 1 :], values)
                    # Nothing was pressed: Twilio goes on with the next verb.
                    yield from self._parts(verb.otherwise, values)

    def _gathered(self, gather: Gather, rest: Sequence[Verb], values: dict[str, Any]) -> str:
        turns = {digits: self._turn((*branch, *rest), branch, values) for digits, branch in gather.on.items()}
        turns["otherwise"] = self._turn((*gather.otherwise, *rest), gather.otherwise, values)
        count = "" if gather.digits is None else f' numDigits="{gather.digits}"'
        key = "" if gather.finish is None else f" finishOnKey={quoteattr(gather.finish)}"
        prompt = "" if gather.prompt is None else self._said(gather.prompt(values))
        action = f"engage:gather?{gather.number}.{_payload(turns)}"
        return (
            f'<Gather input="dtmf"{count}{key} timeout="{gather.timeout}" action="{action}">{prompt}</Gather>'
        )

    def _recorded(self, record: Record, rest: Sequence[Verb], values: dict[str, Any]) -> str:
        action = f"engage:gather?{record.number}.{_payload({'otherwise': self._turn(rest, (), values)})}"
        return (
            f'<Record maxLength="{record.seconds}" timeout="{record.timeout}" finishOnKey={quoteattr(record.finish)}'
            f' playBeep="{str(record.beep).lower()}" action="{action}" recordingStatusCallback="engage:recording"/>'
        )

    def _turn(self, verbs: Sequence[Verb], branch: Sequence[Verb], values: dict[str, Any]) -> _Turn:
        says_no = any(isinstance(verb, Unsubscribe) for verb in branch)
        return _Turn(self._document(verbs, values), unsubscribe=says_no)

    def _said(self, text: str) -> str:
        return f"<Say{self.attributes}>{_xml(text)}</Say>"


def _response(inner: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'


def _payload(turns: Mapping[str, _Turn]) -> str:
    packed = zlib.compress(msgspec.json.encode(turns), 9)
    return base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def xml_text(text: str) -> str:
    """Return a document without the characters that XML 1.0 does not have."""
    return _NOT_XML.sub("", text)


def _xml(text: str) -> str:
    return escape(xml_text(text))


def compile_voice(document: Any, compile_text: CompileText, report: Report) -> VoiceScript | None:
    """Return the compiled say-list; none if anything is wrong, which `report` is told."""
    builder = _Builder(compile_text, report)
    script = builder.script(document)
    return None if builder.failed else script


class _Builder:
    def __init__(self, compile_text: CompileText, report: Report) -> None:
        self._compile_text = compile_text
        self._tell = report
        self._asked = 0
        self.failed = False

    def script(self, document: Any) -> VoiceScript:
        document = self._mapping("", document, _TOP)
        machine = self._machine(document)
        if "say" not in document:
            self._report("", "`say` is missing", "write what to say as a list")
        if document.get("on_machine") and machine == "off":
            self._report(
                "on_machine", "nothing detects machines", "add `machine: detect` or `machine: voicemail`"
            )
        attributes = "".join(
            f" {name}={quoteattr(str(document[name]))}"
            for name in ("voice", "language")
            if document.get(name)
        )
        return VoiceScript(
            attributes,
            machine,
            self._verbs("say", document.get("say", [])),
            self._verbs("on_machine", document.get("on_machine", [])),
        )

    def _machine(self, document: Mapping[str, Any]) -> str:
        machine = document.get("machine", "off")
        if machine is False:
            machine = "off"
        if machine not in MACHINES:
            self._report("machine", f"`{machine}` is not known", f"one of {', '.join(MACHINES)}")
            return "off"
        return str(machine)

    def _verbs(self, where: str, items: Any, *, in_branch: bool = False) -> tuple[Verb, ...]:
        if not isinstance(items, list):
            self._report(where, "a list was expected", "begin each line with `- `")
            return ()
        found = [self._verb(f"{where}.{at}", item, in_branch=in_branch) for at, item in enumerate(items)]
        return tuple(verb for verb in found if verb is not None)

    def _verb(self, where: str, item: Any, *, in_branch: bool) -> Verb | None:
        item = self._mapping(where, item, (*_VERBS, "on", "otherwise"))
        names = [name for name in item if name in _VERBS]
        if len(names) != 1:
            self._report(where, "exactly one verb was expected", f"one of {', '.join(_VERBS)}")
            return None
        name = names[0]
        if name != "gather" and ("on" in item or "otherwise" in item):
            self._report(where, "`on` and `otherwise` belong to a `gather`", "")
        place, value = f"{where}.{name}", item[name]
        match name:
            case "say":
                return Say(self._text(place, value))
            case "play":
                return Play(self._text(place, value))
            case "dial":
                return Dial(self._text(place, value, secrets=True))
            case "pause":
                return Pause(self._number(place, value, 1, 60))
            case "gather":
                return self._gather(where, item)
            case "record":
                return self._record(place, {} if value is True else value)
            case "hangup":
                self._yes(place, value)
                return Hangup()
            case _:
                self._yes(place, value)
                if not in_branch:
                    self._report(place, "nobody asked for it here", "put it into a branch of `on`")
                return Unsubscribe()

    def _gather(self, where: str, item: Mapping[str, Any]) -> Gather:
        number = self._next()
        given = self._mapping(f"{where}.gather", item["gather"], _GATHER)
        branches = item.get("on", {})
        if not isinstance(branches, dict):
            self._report(f"{where}.on", "digits and what they do were expected", 'write `"1": [{say: …}]`')
            branches = {}
        on: dict[str, tuple[Verb, ...]] = {}
        for digits, branch in branches.items():
            if not _DIGITS.match(str(digits)):
                self._report(
                    f"{where}.on", f"`{digits}` are no digits", 'keys are digits, * and #, as in `"1"`'
                )
            on[str(digits)] = self._verbs(f"{where}.on.{digits}", branch, in_branch=True)
        prompt = given.get("prompt")
        key = given.get("finish")
        return Gather(
            number,
            None if "digits" not in given else self._number(f"{where}.gather.digits", given["digits"], 1, 32),
            self._number(f"{where}.gather.timeout", given.get("timeout", 5), 1, 120),
            None if key is None else str(key)[:1],
            None if prompt is None else self._text(f"{where}.gather.prompt", prompt),
            on,
            self._verbs(f"{where}.otherwise", item.get("otherwise", []), in_branch=True),
        )

    def _record(self, where: str, value: Any) -> Record:
        given = self._mapping(where, value, _RECORD)
        beep = given.get("beep", True)
        if not isinstance(beep, bool):
            self._report(f"{where}.beep", "true or false was expected", "")
        return Record(
            self._next(),
            self._number(f"{where}.seconds", given.get("seconds", 120), 1, 3600),
            self._number(f"{where}.timeout", given.get("timeout", 5), 1, 120),
            str(given.get("finish", "#"))[:1],
            bool(beep),
        )

    def _next(self) -> int:
        self._asked += 1
        return self._asked - 1

    def _mapping(self, where: str, value: Any, known: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self._report(where, "a mapping was expected", "write `name: value`")
            return {}
        for name in value:
            if name not in known:
                close = get_close_matches(str(name), known, 1)
                hint = f"did you mean `{close[0]}`?" if close else f"one of {', '.join(known)}"
                self._report(where, f"`{name}` is not known here", hint)
        return value

    def _text(self, where: str, value: Any, *, secrets: bool = False) -> Text:
        if not isinstance(value, str):
            self._report(where, "a text was expected", "put it in quotes")
            value = ""
        return self._compile_text(where, value, secrets)

    def _number(self, where: str, value: Any, low: int, high: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self._report(where, f"a whole number from {low} to {high} was expected", "")
        return low

    def _yes(self, where: str, value: Any) -> None:
        if value is not True:
            self._report(where, "it takes `true` only", "leave the line out instead")

    def _report(self, where: str, message: str, hint: str) -> None:
        self.failed = True
        self._tell(where, message, hint)
