"""The YAML files of a template (`meta.yaml`, `voice.yaml`, `whatsapp.yaml`) as forms, and a template folder as a whole.

Their texts are templates themselves; compiling those is templating's. Here their shape is checked.
"""

import re
from collections.abc import Mapping
from email.utils import parseaddr
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Discriminator,
    Field,
    PlainValidator,
    Strict,
    Tag,
    WithJsonSchema,
)

from engage.domain.forms import Form, PlainText, VariableName, mistake
from engage.project.problem import Level, Problem, in_order
from engage.project.template_files import SHARED, TemplateSource, template_source
from engage.project.validate import validate
from engage.project.words.suggest import listed
from engage.project.yaml.nodes import Document
from engage.project.yaml.reader import read

Flag = Annotated[bool, Strict()]
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*\Z")


def _text_or_number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise mistake("this is text")
    return str(value)


Digits = Annotated[str, PlainValidator(_text_or_number), WithJsonSchema({"type": ["string", "number"]})]


class Tracking(Form):
    """What is counted in a mail."""

    opens: Flag = True
    clicks: Flag = True


class Sender(Form):
    """Who a mail is from."""

    email: PlainText
    name: PlainText | None = None


def _written(value: object) -> str:
    return "form" if isinstance(value, Mapping) else "text"


def _address(value: str) -> str:
    if "{{" not in value and "@" not in parseaddr(value)[1]:
        raise mistake(f"`{value}` has no mail address", "write `Shop <hello@shop.example>`")
    return value


SenderField = Annotated[
    Annotated[PlainText, AfterValidator(_address), Tag("text")] | Annotated[Sender, Tag("form")],
    Discriminator(_written),
]
"""In one line, or by its parts: what is neither is told once."""


class AttachmentForm(Form):
    """A file of a mail: its text is rendered with the person's values."""

    name: PlainText
    type: PlainText = "text/plain"
    text: PlainText


class Meta(Form):
    """`meta.yaml`"""

    subject: PlainText | None = None
    preheader: PlainText | None = None
    from_: SenderField | None = Field(default=None, alias="from")
    reply_to: SenderField | None = None
    description: PlainText = ""
    required: tuple[VariableName, ...] = ()
    tracking: Flag | Tracking | None = None
    media: tuple[PlainText, ...] = ()
    categories: tuple[PlainText, ...] = Field(default=(), max_length=9)
    """Beside the template's name, for the provider's statistics."""
    pool: PlainText | None = Field(default=None, min_length=2, max_length=64)
    unsubscribe_group: int | None = Field(default=None, ge=1)
    attachments: tuple[AttachmentForm, ...] = Field(default=(), max_length=10)


class Whatsapp(Form):
    """`whatsapp.yaml`: the approved template, and the text for inside the 24-hour window."""

    content: PlainText | None = None
    variables: dict[str, Digits] = {}
    text: PlainText | None = None


class Say(Form):
    """A sentence with a voice of its own, or with markup for the voice."""

    text: PlainText | None = None
    ssml: PlainText | None = None
    voice: PlainText | None = None
    language: PlainText | None = None
    loop: int = Field(default=1, ge=1, le=10)


class Play(Form):
    """A recording, and how often."""

    url: PlainText
    loop: int = Field(default=1, ge=1, le=100)


class Dial(Form):
    """A number to connect to."""

    to: PlainText
    timeout: int | None = Field(default=None, ge=5, le=600)
    limit: int | None = Field(default=None, ge=1, le=14_400)
    caller_id: PlainText | None = None


SayField = Annotated[Annotated[PlainText, Tag("text")] | Annotated[Say, Tag("form")], Discriminator(_written)]
PlayField = Annotated[
    Annotated[PlainText, Tag("text")] | Annotated[Play, Tag("form")], Discriminator(_written)
]
DialField = Annotated[
    Annotated[PlainText, Tag("text")] | Annotated[Dial, Tag("form")], Discriminator(_written)
]


class Agent(Form):
    """A queue of agents."""

    workflow: PlainText
    attributes: dict[str, PlainText] = {}


class Gather(Form):
    """What to ask for on the keypad, or aloud."""

    digits: int | None = Field(default=None, ge=1, le=32)
    speech: Flag = False
    language: PlainText | None = None
    hints: tuple[PlainText, ...] = ()
    timeout: int = Field(default=5, ge=1, le=120)
    prompt: SayField | None = None
    finish: PlainText | None = None
    times: int = Field(default=1, ge=1, le=5)


class Call(Form):
    """One thing done during a call: exactly one verb; `on` and `otherwise` follow what was gathered or dialled."""

    say: SayField | None = None
    play: PlayField | None = None
    pause: int | None = Field(default=None, ge=1, le=60)
    gather: Gather | None = None
    dial: DialField | None = None
    agent: Agent | None = None
    unsubscribe: Literal[True] | None = None
    record: dict[str, Any] | Flag | None = None
    hangup: Literal[True] | None = None
    on: "dict[str, tuple[Call, ...]] | None" = None
    otherwise: "tuple[Call, ...] | None" = None


class Voice(Form):
    """`voice.yaml`"""

    voice: PlainText | None = None
    language: PlainText | None = None
    machine: Literal["off", "detect", "voicemail"] = "off"
    ring: int | None = Field(default=None, ge=5, le=600)
    say: tuple[Call, ...] = Field(min_length=1)
    on_machine: tuple[Call, ...] = ()


FILES: dict[str, type[BaseModel]] = {"meta": Meta, "voice": Voice, "whatsapp": Whatsapp}
_SUFFIXES = {
    "email": ("html", "mjml", "txt"),
    "sms": ("txt",),
    "mms": ("txt",),
    "chat": ("txt",),
    "whatsapp": ("yaml", "txt"),
    "voice": ("xml", "yaml"),
    "meta": ("yaml",),
}


STEMS = frozenset(_SUFFIXES)
"""What the files of a template are called before their first dot."""


def read_template(name: str, files: Mapping[str, str], path: str) -> tuple[TemplateSource, list[Problem]]:
    """Return a template with its YAML files parsed, and what is wrong with it; `path` is its folder."""
    contents: dict[str, str | dict[str, Any]] = {}
    problems: list[Problem] = []
    for file, text in files.items():
        place = f"{path}/{file}"
        if name == SHARED:
            contents[file] = text
            continue
        problems.extend(_unknown_file(file, place))
        if not file.endswith(".yaml"):
            contents[file] = text
            continue
        data, wrong = _yaml_file(file.split(".")[0], text, place)
        problems.extend(wrong)
        if data is not None:
            contents[file] = data
    return template_source(name, contents), in_order(problems)


def not_a_file(file: str) -> str | None:
    """Return which files a template may have, if this is none of them."""
    stem, _, rest = file.partition(".")
    locale, _, suffix = rest.rpartition(".")
    if suffix in _SUFFIXES.get(stem, ()) and (not locale or _LOCALE.match(locale)):
        return None
    known = [f"{stem}.{suffix}" for suffix in _SUFFIXES[stem]] if stem in _SUFFIXES else sorted(_SUFFIXES)
    return f"known: {listed(known)}, each also with a locale (`sms.fr-CA.txt`)"


def _unknown_file(file: str, path: str) -> list[Problem]:
    hint = not_a_file(file)
    return (
        []
        if hint is None
        else [
            Problem(
                path=path, line=1, column=1, message="this file is not used", hint=hint, level=Level.WARNING
            )
        ]
    )


def _yaml_file(stem: str, text: str, path: str) -> tuple[dict[str, Any] | None, list[Problem]]:
    documents, problems = read(text, path)
    if not documents:
        return ({} if stem == "meta" and not problems else None), problems or [_empty(path)]
    document = documents[0]
    form = FILES.get(stem)
    if form is not None:
        problems.extend(validate(form, document)[1])
        problems.extend(_calls(document) if stem == "voice" and not problems else [])
    value = document.value()
    return (value if isinstance(value, dict) else None), problems


def _empty(path: str) -> Problem:
    return Problem(path=path, line=1, column=1, message="the file is empty", hint="write it, or delete it")


_VERBS = ("say", "play", "pause", "gather", "dial", "agent", "unsubscribe", "record", "hangup")


def _calls(document: Document) -> list[Problem]:
    """Point out items of a call without a verb, or with several."""
    found: list[Problem] = []

    def look(items: Any, *location: str | int) -> None:
        for index, item in enumerate(items or ()):
            verbs = [key for key in item if key in _VERBS]
            if len(verbs) != 1:
                at = document.at((*location, index))
                shown = f"this one has {listed(verbs)}" if verbs else f"one of {listed(_VERBS)}"
                found.append(
                    Problem(
                        path=document.path,
                        line=at.line,
                        column=at.column,
                        message="a part of a call has one verb",
                        hint=shown,
                    )
                )
            for digits, answer in (item.get("on") or {}).items():
                look(answer, *location, index, "on", digits)
            look(item.get("otherwise"), *location, index, "otherwise")

    look(document.value().get("say"), "say")
    look(document.value().get("on_machine"), "on_machine")
    return found
