"""Proofs about the law: what the packs of `settings.law` ask a marketing message to say, looked for before it is sent."""

import re
from collections.abc import Iterator, Mapping
from html import unescape

from engage.domain.consent.consent import Policy
from engage.domain.delivery.delivery import Channel
from engage.domain.law import Law, Requirement, Rule
from engage.domain.project_settings import Company, ProjectSettings
from engage.project.law_files import BUILT_IN, law_of
from engage.project.problem import Level, Problem
from engage.project.proofs.outline import Outline, SendAt
from engage.project.proofs.subject import Subject
from engage.project.template_files import SHARED
from engage.project.yaml.nodes import Scalar

_ASKED = (Policy.OPT_IN, Policy.DOUBLE_OPT_IN, Policy.NEVER)
_TEXTED = (Channel.SMS, Channel.MMS)
_SPACE = re.compile(r"\s+")
_TAG = re.compile(r"<[^<>]*>")
_PARTIAL = re.compile(r"{%-?\s*(?:extends|include|import|from)\s+['\"]([^'\"]+)['\"]")
_WAYS_OUT = ("unsubscribe_url", "preferences_url")


def law_proofs(subject: Subject, outline: Outline | None) -> Iterator[Problem]:
    """Yield what the law would ask for and a definition does not have."""
    settings = subject.around.settings
    if settings is None or not settings.law:
        return
    own = subject.around.law
    law = law_of([name for name in settings.law if name in own or name in BUILT_IN], own)
    for step in outline.walk() if outline is not None else ():
        for send in step.sends():
            topic = subject.topic_of(send.topic)
            if settings.is_transactional(topic) or (settings.topics and topic not in settings.topics):
                continue
            yield from _consent(subject, settings, law, send, topic)
            if settings.company is not None:
                yield from _says(subject, settings.company, law, send)


def _consent(
    subject: Subject, settings: ProjectSettings, law: Law, send: SendAt, topic: str | None
) -> Iterator[Problem]:
    channel = Channel(send.channel)
    rule = law.asks_for(Requirement.OPT_IN, channel)
    if rule is None or channel in _TEXTED or settings.policy(channel, topic) in _ASKED:
        return
    yield subject.warning(
        send.position,
        f"marketing by {channel} without an opt-in topic{_by(rule)}",
        f"give it a topic with `{channel}: opt_in`, or `transactional: true` if it is no marketing",
    )


def _says(subject: Subject, company: Company, law: Law, send: SendAt) -> Iterator[Problem]:
    channel = Channel(send.channel)
    for file, text in _texts(subject, send):
        for rule, message, hint in _missing(company, law, channel, text):
            problem = subject.warning(send.position, f"{message}{_by(rule)}", hint)
            yield problem if file is None else _at_file(problem, file)


def _missing(company: Company, law: Law, channel: Channel, text: str) -> Iterator[tuple[Rule, str, str]]:
    seen = _plain(text)
    identity = law.asks_for(Requirement.IDENTIFICATION, channel)
    if identity is not None and channel in _TEXTED and _plain(company.name) not in seen:
        yield identity, "this marketing text does not name its sender", f"begin it with `{company.name}:`"
    if channel is not Channel.EMAIL:
        return
    where = law.asks_for(Requirement.POSTAL_ADDRESS, channel)
    if where is not None:
        if not company.address:
            hint = "add `address:` to `company` in `journeys/settings.yaml`"
            yield where, "no postal address is known for marketing mail", hint
        elif _plain(company.address) not in seen:
            yield where, "this marketing mail has no postal address", f"put `{company.address}` into its foot"
    out = law.asks_for(Requirement.UNSUBSCRIBE_LINK, channel)
    if out is not None and not any(name in text for name in _WAYS_OUT):
        hint = "put `{{ preferences_url }}` or `{{ unsubscribe_url }}` into its foot"
        yield out, "this marketing mail has no link to opt out", hint


def _texts(subject: Subject, send: SendAt) -> Iterator[tuple[str | None, str]]:
    """Yield what a send may say, in each language: the path of its file and its text with the partials it names."""
    if send.text is not None:
        yield None, str(send.text.data)
        return
    name = str(send.template.data) if isinstance(send.template, Scalar) else ""
    template, shared = subject.around.templates.get(name), subject.around.templates.get(SHARED)
    partials = {} if shared is None else shared.files
    kinds = (f"{send.channel}.", "sms.") if send.channel == Channel.MMS else (f"{send.channel}.",)
    for file, content in template.files.items() if template is not None else ():
        if not file.startswith(kinds) or not isinstance(content, str):
            continue
        if send.channel == Channel.EMAIL and file.endswith(".txt"):
            continue  # beside the HTML, which is what people see
        yield f"templates/{name}/{file}", _with_partials(content, partials, set())


def _with_partials(text: str, partials: Mapping[str, object], seen: set[str]) -> str:
    found = [text]
    for name in _PARTIAL.findall(text):
        content = partials.get(name.removeprefix(f"{SHARED}/"))
        if isinstance(content, str) and name not in seen:
            seen.add(name)
            found.append(_with_partials(content, partials, seen))
    return "\n".join(found)


def _plain(text: str) -> str:
    """A text as people read it: no markup, no entities, one space, in lower case."""
    return _SPACE.sub(" ", unescape(_TAG.sub(" ", text))).replace("\u00a0", " ").strip().casefold()


def _by(rule: Rule) -> str:
    return f" (law {rule.id})"


def _at_file(problem: Problem, path: str) -> Problem:
    return Problem(
        path=path, line=1, column=1, message=problem.message, hint=problem.hint, level=Level.WARNING
    )
