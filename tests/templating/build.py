"""Templates and requests of these tests."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from engage.domain.delivery.delivery import Channel
from engage.ports.channel import EmailContent, SmsContent, VoiceContent
from engage.ports.templating import Links, Rendered, RenderRefused, RenderRequest
from engage.templating import TemplateProblem, TemplateSet, TemplateSource, compile_templates

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Confirm(dict[str, str]):
    """Makes addresses on demand, for the topics there are."""

    def __missing__(self, topic: str) -> str:
        if topic != "news":
            raise KeyError(topic)
        return f"https://engage.example/c/{topic}"


LINKS = Links(
    unsubscribe_url="https://engage.example/u/t",
    preferences_url="https://engage.example/p/t",
    view_url="https://engage.example/v/t",
    confirm_url=Confirm(),
)


def request(channel: Channel = Channel.SMS, template: str | None = "t", **given: Any) -> RenderRequest:
    fields: dict[str, Any] = {
        "text": None,
        "profile": {"first_name": "Ada"},
        "entry": {},
        "event": {},
        "run": {},
        "variables": {},
        "now": NOW,
        "zone": "UTC",
        "locale": None,
        "default_locale": "en",
        "links": LINKS,
        "marketing": False,
        **given,
    }
    return RenderRequest(channel=channel, template=template, **fields)


_EXTENSIONS = {"email": "html", "voice": "xml"}


def source(name: str, files: Mapping[str, Any]) -> TemplateSource:
    """Return a template given by file stems, as scenarios write it: `email`, `email.txt`, `sms.fr`, `meta` …"""
    texts: dict[str, str] = {}
    documents: dict[str, Any] = {}
    for stem, content in files.items():
        if not isinstance(content, str):
            documents[f"{stem}.yaml"] = content
        elif stem.endswith((".txt", ".html", ".mjml")):
            texts[stem] = content
        else:
            extension = "mjml" if content.startswith("<mjml") else _EXTENSIONS.get(stem.split(".")[0], "txt")
            texts[f"{stem}.{extension}"] = content
    return TemplateSource(
        name=name,
        files=texts,
        meta=documents.pop("meta.yaml", {}),
        voice=documents.pop("voice.yaml", None),
        documents=documents,
        version=3,
    )


def compiled(
    files: Mapping[str, Any], shared: Mapping[str, str] | None = None, name: str = "t"
) -> tuple[TemplateSet, list[TemplateProblem]]:
    """Compile one template given by file stems."""
    return compile_templates([source(name, files)], shared, {"FRONT_DESK": "+15550001"}.get)


def published(files: Mapping[str, Any], shared: Mapping[str, str] | None = None) -> TemplateSet:
    """Compile one template that has no mistakes."""
    templates, problems = compiled(files, shared)
    assert [str(problem) for problem in problems if not problem.is_warning] == []
    return templates


def problems(files: Mapping[str, Any], shared: Mapping[str, str] | None = None) -> list[str]:
    return [str(problem) for problem in compiled(files, shared)[1] if not problem.is_warning]


def text(source: str, shared: Mapping[str, str] | None = None, **given: Any) -> str:
    """Render an SMS template."""
    rendered = published({"sms": source}, shared).render(request(**given))
    assert isinstance(rendered, Rendered), rendered
    assert isinstance(rendered.content, SmsContent)
    return rendered.content.body


def refusal(source: str, **given: Any) -> str:
    """Render an SMS template that refuses, which `check` could not know."""
    rendered = published({"sms": source}).render(request(**given))
    assert isinstance(rendered, RenderRefused), rendered
    return rendered.detail


def mail(files: Mapping[str, Any], shared: Mapping[str, str] | None = None, **given: Any) -> EmailContent:
    rendered = published(files, shared).render(request(Channel.EMAIL, **given))
    assert isinstance(rendered, Rendered), rendered
    assert isinstance(rendered.content, EmailContent)
    return rendered.content


def call(voice: Mapping[str, Any] | str, **given: Any) -> VoiceContent:
    rendered = published({"voice": voice}).render(request(Channel.VOICE, **given))
    assert isinstance(rendered, Rendered), rendered
    assert isinstance(rendered.content, VoiceContent)
    return rendered.content
