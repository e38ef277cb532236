"""Reading `voice.yaml`: what is written becomes verbs, and everything that is wrong with it is told at once."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any
from xml.sax.saxutils import quoteattr

from engage.templating.voice import (
    Agent,
    Branch,
    CompileText,
    Dial,
    Gather,
    Hangup,
    Pause,
    Play,
    Record,
    Report,
    Say,
    Text,
    Unsubscribe,
    Verb,
    VoiceScript,
    document_mistake,
    ssml_mistake,
)

MACHINES = ("off", "detect", "voicemail")
_TOP = ("voice", "language", "machine", "ring", "say", "on_machine")
_VERBS = ("say", "pause", "play", "gather", "dial", "record", "agent", "unsubscribe", "hangup")
_SAY = ("text", "ssml", "voice", "language", "loop")
_PLAY = ("url", "loop")
_GATHER = ("digits", "speech", "language", "hints", "timeout", "prompt", "finish", "times")
_DIAL = ("to", "timeout", "caller_id", "limit")
_DIALLED = ("answered", "busy", "no_answer", "failed", "canceled")
_RECORD = ("seconds", "timeout", "finish", "beep")
_AGENT = ("workflow", "attributes")
_DIGITS = re.compile(r"[0-9*#]{1,32}\Z")
_PHRASE = re.compile(r"[\w' -]{1,60}\Z")
_VOICE = re.compile(r"(?:man|woman|alice|(?:Polly|Google)\.[A-Za-z0-9-]+)\Z")
_WORKFLOW = re.compile(r"WW[0-9a-f]{32}\Z")
_ASSEMBLED = re.compile(r"\{%-?\s*(?:extends|include|import|from|call|macro)\b")
_TEMPLATED = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_PRINTED = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def compile_voice(document: Any, compile_text: CompileText, report: Report) -> VoiceScript | None:
    """Return the compiled say-list; none if anything is wrong, which `report` is told."""
    builder = _Builder(compile_text, report)
    script = builder.script(document)
    return None if builder.failed else script


def handwritten_mistake(source: str) -> str | None:
    """Return what is wrong with a `voice.xml`, as far as it can be seen before it is put together for anybody."""
    return None if _ASSEMBLED.search(source) else document_mistake(without_templating(source).strip())


def without_templating(source: str) -> str:
    """Return a source with a word wherever something is printed: what its markup looks like before anybody gets it."""
    return _PRINTED.sub("x", _TEMPLATED.sub("", source))


class _Builder:
    def __init__(self, compile_text: CompileText, report: Report) -> None:
        self._compile_text = compile_text
        self._tell = report
        self._asked = 0
        self._usual: dict[str, Any] = {}
        self.failed = False

    def script(self, document: Any) -> VoiceScript:
        document = self._mapping("", document, _TOP)
        machine = self._machine(document)
        self._usual = {name: document[name] for name in ("voice", "language") if document.get(name)}
        if "say" not in document:
            self._report("", "`say` is missing", "write what to say as a list")
        if document.get("on_machine") and machine == "off":
            self._report(
                "on_machine", "nothing detects machines", "add `machine: detect` or `machine: voicemail`"
            )
        return VoiceScript(
            self._spoken_as("", document),
            machine,
            self._verbs("say", document.get("say", [])),
            self._verbs("on_machine", document.get("on_machine", [])),
            None if "ring" not in document else self._number("ring", document["ring"], 5, 600),
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
        if name not in ("gather", "dial") and ("on" in item or "otherwise" in item):
            self._report(where, "`on` and `otherwise` belong to a `gather` or a `dial`", "")
        place, value = f"{where}.{name}", item[name]
        match name:
            case "say":
                return self._say(place, value)
            case "play":
                return self._play(place, value)
            case "dial":
                return self._dial(where, item)
            case "pause":
                return Pause(self._number(place, value, 1, 60))
            case "gather":
                return self._gather(where, item)
            case "record":
                return self._record(place, {} if value is True else value)
            case "agent":
                return self._agent(place, value)
            case "hangup":
                self._yes(place, value)
                return Hangup()
            case _:
                self._yes(place, value)
                if not in_branch:
                    self._report(place, "nobody asked for it here", "put it into a branch of `on`")
                return Unsubscribe()

    def _say(self, where: str, value: Any) -> Say:
        if not isinstance(value, Mapping):
            return Say(self._text(where, value))
        given = self._mapping(where, value, _SAY)
        if ("text" in given) == ("ssml" in given):
            self._report(where, "a `text` or `ssml` was expected, and only one of them", "")
        attributes = self._spoken_as(where, {**self._usual, **given})
        if "loop" in given:
            attributes += f' loop="{self._number(f"{where}.loop", given["loop"], 1, 10)}"'
        if "ssml" not in given:
            return Say(self._text(f"{where}.text", given.get("text", "")), attributes)
        place, markup = f"{where}.ssml", given["ssml"]
        if not str(given.get("voice") or self._usual.get("voice", "")).startswith(("Polly.", "Google.")):
            self._report(place, "this voice knows no markup", "choose a `voice` of Polly or Google")
        wrong = ssml_mistake(without_templating(markup)) if isinstance(markup, str) else None
        if wrong is not None:
            self._report(place, wrong, "tags as in `Hello <break time='300ms'/> Ada`")
        return Say(self._text(place, markup), attributes, is_ssml=True)

    def _spoken_as(self, where: str, given: Mapping[str, Any]) -> str:
        voice = given.get("voice")
        if voice and not _VOICE.match(str(voice)):
            place = f"{where}.voice" if where else "voice"
            self._report(
                place, f"`{voice}` is no voice", "as in `Polly.Joanna-Neural`, `Google.en-US-Neural2-C`"
            )
        return "".join(
            f" {name}={quoteattr(str(given[name]))}" for name in ("voice", "language") if given.get(name)
        )

    def _play(self, where: str, value: Any) -> Play:
        if not isinstance(value, Mapping):
            return Play(self._text(where, value))
        given = self._mapping(where, value, _PLAY)
        loop = self._number(f"{where}.loop", given.get("loop", 1), 1, 100)
        return Play(self._text(f"{where}.url", given.get("url")), loop)

    def _gather(self, where: str, item: Mapping[str, Any]) -> Gather:
        number = self._next()
        place = f"{where}.gather"
        given = self._mapping(place, item["gather"], _GATHER)
        speech = given.get("speech", False)
        if not isinstance(speech, bool):
            self._report(f"{place}.speech", "true or false was expected", "")
        on = self._on(where, item, by_words=bool(speech))
        prompt = given.get("prompt")
        return Gather(
            number,
            self._listening(place, given, speech=bool(speech), words=_phrases(on)),
            None if prompt is None else self._say(f"{place}.prompt", prompt),
            on,
            self._verbs(f"{where}.otherwise", item.get("otherwise", []), in_branch=True),
            self._number(f"{place}.times", given.get("times", 1), 1, 5),
        )

    def _listening(self, where: str, given: Mapping[str, Any], *, speech: bool, words: Sequence[str]) -> str:
        attributes = f' input="{"dtmf speech" if speech else "dtmf"}"'
        if "digits" in given:
            attributes += f' numDigits="{self._number(f"{where}.digits", given["digits"], 1, 32)}"'
        if given.get("finish") is not None:
            attributes += f" finishOnKey={quoteattr(str(given['finish'])[:1])}"
        attributes += f' timeout="{self._number(f"{where}.timeout", given.get("timeout", 5), 1, 120)}"'
        if not speech:
            if "hints" in given or "language" in given:
                self._report(where, "`hints` and `language` are for hearing words", "add `speech: true`")
            return attributes
        hints = given.get("hints", list(words))
        if not isinstance(hints, list) or not all(isinstance(hint, str) for hint in hints):
            self._report(f"{where}.hints", "a list of words was expected", "")
            hints = []
        attributes += ' speechTimeout="auto"'
        if given.get("language"):
            attributes += f" language={quoteattr(str(given['language']))}"
        return attributes + (f" hints={quoteattr(','.join(hints))}" if hints else "")

    def _on(self, where: str, item: Mapping[str, Any], *, by_words: bool) -> dict[str, Branch]:
        """Read the branches of a menu: `"1"`, or several ways to choose one, `"1, yes, confirm"`."""
        branches = item.get("on", {})
        if not isinstance(branches, Mapping):
            self._report(f"{where}.on", "digits and what they do were expected", 'write `"1": [{say: …}]`')
            return {}
        on: dict[str, Branch] = {}
        for written, verbs in branches.items():
            place = f"{where}.on.{written}"
            ways = [way.strip() for way in str(written).split(",")]
            for way in ways:
                if _DIGITS.match(way) or (by_words and _PHRASE.match(way)):
                    continue
                hint = "keys are digits, * and #, or words" if by_words else "for words add `speech: true`"
                self._report(f"{where}.on", f"`{way}` are no digits", hint)
            on[ways[0]] = Branch(self._verbs(place, verbs, in_branch=True), tuple(ways[1:]))
        return on

    def _dial(self, where: str, item: Mapping[str, Any]) -> Dial:
        place, value = f"{where}.dial", item["dial"]
        given = self._mapping(place, value, _DIAL) if isinstance(value, Mapping) else {}
        number = (
            self._text(f"{place}.to", given.get("to"), secrets=True)
            if isinstance(value, Mapping)
            else self._text(place, value, secrets=True)
        )
        attributes = ""
        if "timeout" in given:
            attributes += f' timeout="{self._number(f"{place}.timeout", given["timeout"], 5, 600)}"'
        if "limit" in given:
            attributes += f' timeLimit="{self._number(f"{place}.limit", given["limit"], 1, 14400)}"'
        if given.get("caller_id"):
            attributes += f" callerId={quoteattr(str(given['caller_id']))}"
        branches = item.get("on", {})
        otherwise = self._verbs(f"{where}.otherwise", item.get("otherwise", []), in_branch=True)
        if not isinstance(branches, Mapping) or not set(map(str, branches)) <= set(_DIALLED):
            self._report(f"{where}.on", "what became of a dialled number was expected", ", ".join(_DIALLED))
            branches = {}
        on = {
            str(key): Branch(self._verbs(f"{where}.on.{key}", verbs, in_branch=True))
            for key, verbs in branches.items()
        }
        return Dial(number, attributes, self._next(), on if on or otherwise else None, otherwise)

    def _agent(self, where: str, value: Any) -> Agent:
        given = self._mapping(where, value, _AGENT)
        workflow = str(given.get("workflow", ""))
        if not _WORKFLOW.match(workflow):
            self._report(
                f"{where}.workflow", "the id of a workflow was expected", "WW and 32 hexadecimal digits"
            )
        attributes = given.get("attributes", {})
        if not isinstance(attributes, Mapping):
            self._report(f"{where}.attributes", "a mapping of texts was expected", "")
            attributes = {}
        return Agent(
            workflow,
            {str(key): self._text(f"{where}.attributes.{key}", text) for key, text in attributes.items()},
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


def _phrases(on: Mapping[str, Branch]) -> list[str]:
    """The words that choose a branch: what a voice recogniser should expect to hear."""
    ways = [way for key, branch in on.items() for way in (key, *branch.also)]
    return [way for way in ways if not _DIGITS.match(way)]
