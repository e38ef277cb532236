"""A template as it comes from its folder: files by name, what YAML holds already read; and mistakes in it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

SHARED = "_shared"
_FILE = re.compile(
    r"(?P<kind>email|sms|mms|chat|whatsapp|voice|meta)(?:\.(?P<locale>[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*))?"
    r"\.(?P<form>html|mjml|txt|xml|yaml)\Z"
)
_FORMS = {
    "email": ("html", "mjml", "txt"),
    "sms": ("txt",),
    "mms": ("txt",),
    "chat": ("txt",),
    "whatsapp": ("yaml", "txt"),
    "voice": ("yaml", "xml"),
    "meta": ("yaml",),
}
_KINDS = tuple(_FORMS)


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateSource:
    """One folder of `templates/`. YAML files come parsed, all others as text."""

    name: str
    """As sends name it: `cart/reminder`."""
    files: Mapping[str, str]
    """File name → text, e.g. `sms.fr-CA.txt`."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """`meta.yaml`"""
    voice: Mapping[str, Any] | None = None
    """`voice.yaml`"""
    documents: Mapping[str, Any] = field(default_factory=dict)
    """Every other YAML file by name: `voice.fr.yaml`, `meta.fr.yaml`, `whatsapp.yaml`."""
    version: int = 1

    def all_documents(self) -> dict[str, Any]:
        """Return every YAML file by name."""
        documents = dict(self.documents)
        if self.meta:
            documents["meta.yaml"] = self.meta
        if self.voice is not None:
            documents["voice.yaml"] = self.voice
        return documents


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class TemplateProblem:
    """One mistake; `file` is below `templates/`. A warning does not keep the template from being published."""

    file: str
    line: int = 1
    column: int = 1
    message: str
    hint: str = ""
    is_warning: bool = False
    where: str = ""
    """The value it is about, of a YAML file: `say.0.gather.prompt`; the file's lines are not known here."""
    about_form: bool = False
    """The value is not of the kind that belongs there; else its text does not compile."""

    def __str__(self) -> str:
        about = f"{self.where}: " if self.where else ""
        text = f"templates/{self.file}:{self.line}:{self.column}: {about}{self.message}"
        return f"{text}; {self.hint}" if self.hint else text


@dataclass(frozen=True, slots=True)
class FileName:
    """What the name of a template's file says."""

    kind: str
    locale: str | None
    form: str


def read_name(name: str) -> FileName | None:
    """Return what a file name says; none if a template has no such file."""
    found = _FILE.match(name)
    if found is None or found["form"] not in _FORMS[found["kind"]]:
        return None
    return FileName(found["kind"], normal_locale(found["locale"]), found["form"])


def name_hint(name: str) -> str:
    """Return what a wrong file name may have meant."""
    kind = name.partition(".")[0]
    if kind in _FORMS:
        return "did you mean " + " or ".join(f"`{kind}.{form}`" for form in _FORMS[kind]) + "?"
    close = get_close_matches(kind, _KINDS, 1)
    return f"did you mean `{close[0]}`?" if close else "files are " + ", ".join(_KINDS)


def normal_locale(locale: str | None) -> str | None:
    """Return a locale in one spelling (`fr-ca`); none for none and ''."""
    return locale.replace("_", "-").lower() if locale else None


def preferred(locale: str | None, default: str | None) -> Sequence[str | None]:
    """Return the locales to try in order: exact, its language, the default, its language, none."""
    wanted: list[str | None] = []
    for name in (normal_locale(locale), normal_locale(default)):
        if name is not None:
            wanted += [name, name.partition("-")[0]]
    return [*wanted, None]


def choose(
    present: Mapping[str | None, Any], locale: str | None, default: str | None
) -> tuple[bool, str | None]:
    """Return whether there is a variant for this person, and which; the only one there is serves everybody."""
    for wanted in preferred(locale, default):
        if wanted in present:
            return True, wanted
    if len(present) == 1:
        return True, next(iter(present))
    return False, None
