"""`whatsapp.yaml`: the approved template, and the free text that may be sent inside the 24-hour window."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engage.ports.channel import WhatsappContent
from engage.templating.values import RefusalError
from engage.templating.voice import CompileText, Report, Text

_KEYS = ("content", "variables", "text")
_CONTENT = re.compile(r"HX[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True)
class WhatsappScript:
    """One `whatsapp.yaml`, compiled."""

    content: str | None
    variables: Mapping[str, Text]
    text: Text | None

    def free_text(self, values: dict[str, Any], *, window_open: bool) -> str | None:
        """Return the text to send; None where only the approved template may go."""
        if self.text is None or (self.content is not None and not window_open):
            return None
        return self.text(values)

    def template(self, values: dict[str, Any]) -> WhatsappContent:
        """Return the approved template with its variables.

        Raises:
            RefusalError: a value is missing or empty, which the provider would refuse.
        """
        assert self.content is not None
        variables = {name: text(values).strip() for name, text in self.variables.items()}
        for name, value in variables.items():
            if not value:
                raise RefusalError(f"variable {name} of the approved template is empty")
        return WhatsappContent(content_sid=self.content, variables=variables)


def compile_whatsapp(document: Any, compile_text: CompileText, report: Report) -> WhatsappScript | None:
    """Return the compiled document; none if anything is wrong, which `report` is told."""
    if not isinstance(document, Mapping):
        report("", "a mapping was expected", "write `content: HX…`")
        return None
    wrong = [name for name in document if name not in _KEYS]
    for name in wrong:
        report("", f"`{name}` is not known", f"one of {', '.join(_KEYS)}")
    content, text = document.get("content"), document.get("text")
    if content is not None and not (isinstance(content, str) and _CONTENT.match(content)):
        report("content", "the id of an approved template was expected", "HX and 32 hexadecimal digits")
        return None
    if text is not None and not isinstance(text, str):
        report("text", "a text was expected", "put it in quotes")
        return None
    if content is None and text is None:
        report("", "there is nothing to send", "write `content: HX…`, `text: …` or both")
        return None
    variables = document.get("variables", {})
    if not isinstance(variables, Mapping):
        report("variables", "a mapping of texts was expected", 'write `variables: {"1": …}`')
        return None
    if wrong:
        return None
    return WhatsappScript(
        content,
        {
            str(name): compile_text(f"variables.{name}", str(value), False)
            for name, value in variables.items()
        },
        None if text is None else compile_text("text", text, False),
    )
