"""Template folders as plain source: file names to text, YAML files parsed. Compiling them is templating's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TEXT_SUFFIXES = (".html", ".mjml", ".txt", ".xml")
YAML_STEMS = ("meta", "voice", "whatsapp")
SHARED = "_shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSource:
    """`templates/<name>/`: content by file name; text, or plain data for `.yaml` files."""

    name: str
    files: Mapping[str, str | dict[str, Any]]

    def channels(self) -> frozenset[str]:
        """Return the channels it has a file for."""
        return (
            frozenset(_CHANNELS_OF.get(name.split(".", 1)[0], name.split(".", 1)[0]) for name in self.files)
            & _CHANNELS
        )


_CHANNELS = frozenset({"email", "sms", "mms", "whatsapp", "voice", "chat"})
_CHANNELS_OF: dict[str, str] = {}


def template_source(name: str, files: Mapping[str, str | dict[str, Any]]) -> TemplateSource:
    """Return a template made of files given by name (`sms.txt`, `email.fr.html`, `meta.yaml` as plain data)."""
    return TemplateSource(name=name, files=dict(files))


def inline_template(name: str, stems: Mapping[str, Any]) -> TemplateSource:
    """Return a template written inside a scenario, whose keys are file stems (`email`, `email.txt`, `sms.fr`)."""
    return template_source(name, {file_name(stem, content): content for stem, content in stems.items()})


def file_name(stem: str, content: object) -> str:
    """Return the file name that a stem of a scenario stands for, by channel and content.

    A mapping is a `.yaml` file; `email` is HTML, or MJML where it begins so; `voice` text is XML; the rest is text.
    """
    if stem.endswith((*TEXT_SUFFIXES, ".yaml")):
        return stem
    if isinstance(content, dict):
        return f"{stem}.yaml"
    channel = stem.split(".", 1)[0]
    if channel == "email":
        return f"{stem}.mjml" if str(content).lstrip().startswith("<mjml") else f"{stem}.html"
    return f"{stem}.xml" if channel == "voice" else f"{stem}.txt"
