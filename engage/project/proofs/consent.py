"""Proofs about law and consent: opt-in for SMS, opt-out texts, unsubscribe before suppress."""

import re
from collections.abc import Iterator

from engage.domain.consent.consent import Policy
from engage.domain.project_settings import ProjectSettings
from engage.project.problem import Problem
from engage.project.proofs.outline import Outline, SendAt, StepAt
from engage.project.proofs.subject import Subject

_TEXTED = ("sms", "mms")
_ASKED = (Policy.OPT_IN, Policy.DOUBLE_OPT_IN)
_OPT_OUT_WORDS = re.compile(r"(?i)\bSTOP\b|opt.?out|unsubscribe")
_FOR_GOOD = re.compile(r"(?i)bounc|complain|invalid|abus|fraud|spam|legal|law|court|deceased|wrong|block")


def consent_proofs(subject: Subject, outline: Outline) -> Iterator[Problem]:
    """Yield what is doubtful about whom a journey writes to."""
    settings = subject.around.settings
    for step in outline.walk():
        if step.verb == "suppress":
            yield from _suppressed(subject, step)
        if settings is None:
            continue
        for send in step.sends():
            yield from _send(subject, settings, send)


def _send(subject: Subject, settings: ProjectSettings, send: SendAt) -> Iterator[Problem]:
    topic = subject.topic_of(send.topic)
    if (topic is None and settings.topics) or (settings.topics and topic not in settings.topics):
        return
    policy = settings.policy(send.channel, topic)
    if policy is Policy.NEVER:
        yield subject.warning(
            send.position,
            f"the topic `{topic}` does not name {send.channel}: nothing will be sent",
            f"add `{send.channel}:` to the topic in `journeys/settings.yaml`, or use another one",
        )
    if send.channel not in _TEXTED or settings.is_transactional(topic):
        return
    if policy not in (*_ASKED, Policy.NEVER):
        yield subject.warning(
            send.position,
            "marketing by SMS without an opt-in topic",
            "give it a topic with `sms: opt_in`, or `transactional: true` if it is no marketing",
        )
    if settings.sms.opt_out_text is None and not _says_how_to_stop(subject, send):
        yield subject.warning(
            send.position,
            "nothing tells people how to opt out of this SMS",
            "set `sms: {opt_out_text: …}` in `journeys/settings.yaml`",
        )


def _says_how_to_stop(subject: Subject, send: SendAt) -> bool:
    texts = [] if send.text is None else [str(send.text.data)]
    name = "" if send.template is None else str(send.template.data)
    if name in subject.around.half_read:
        return True
    template = subject.around.templates.get(name)
    if template is not None:
        texts = [str(content) for name, content in template.files.items() if name.startswith(_TEXTED)]
    return bool(texts) and all(_OPT_OUT_WORDS.search(text) for text in texts)


def _suppressed(subject: Subject, step: StepAt) -> Iterator[Problem]:
    reason = step.text("reason")
    if reason is not None and _FOR_GOOD.search(str(reason.data)):
        return
    yield subject.warning(
        step.position,
        "`suppress` blocks this address for everything and everybody, order news included",
        "`unsubscribe: {channel, topic}` would do where somebody only wants less; name the `reason` if it is a bounce or a complaint",
    )
