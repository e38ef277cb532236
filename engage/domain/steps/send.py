"""Steps that reach a person: one verb a channel, one form for all of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, ClassVar

from pydantic import Field, model_validator

from engage.domain.delivery.delivery import SETTLED, Channel, FailReason, Mark, SkipReason, reached
from engage.domain.expression import Place, Text, text_of
from engage.domain.forms import DataField, Form, MessageField, TextField, expression_field, mistake
from engage.domain.journey.run import Run
from engage.domain.steps.base import Asked, End, Go, Looked, Move, Moved, Node, Park, Step, Stimulus, Walk
from engage.domain.steps.steplist import StepList

_NAMED = re.compile(r"[\w./-]*\Z")
_NOT_SENT = ("continue", "exit")
_REASONS = (*SkipReason, *FailReason)
_BEYOND_VALUES = re.compile(r"\b(?:bucket|entry_event)\b")
"""Names of expressions that a rendered text does not have and that `Reads` does not tell of."""


class SendForm(Form):
    """What to send: a template or a text, to whom if not the person's own address, with which values."""

    template: TextField | None = None
    text: MessageField | None = None
    to: expression_field(Place.STEP) | None = None  # type: ignore[valid-type]  # built by a factory
    with_: dict[str, DataField] = Field(default={}, alias="with")
    topic: TextField | None = None
    sender: TextField | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"template": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_content(self) -> "SendForm":
        if (self.template is None) == (self.text is None):
            raise mistake("a send needs a template or a text, and only one of them")
        if self.template is not None and not all(
            _NAMED.match(part) for part in self.template.parts if isinstance(part, str)
        ):
            raise mistake(
                f"`{self.template.source}` is a text, not the name of a template", "write `{text: …}`"
            )
        return self


def asked_for(
    walk: Walk,
    channel: Channel,
    form: SendForm,
    *,
    expires: timedelta | None = None,
    until: datetime | None = None,
) -> Asked:
    """Return a message as it is asked for now: whom to, with which values."""
    to = None if form.to is None else form.to.value(walk.scope())
    given = walk.fill(form.with_)
    text, seen = (None, {}) if form.text is None else _as_of_now(walk, form.text, given)
    return Asked(
        channel=channel,
        template=_name(walk, form.template),
        text=text,
        variables={**given, **seen},
        to=None if form.to is None else ("" if to is None else text_of(to)),
        topic=_name(walk, form.topic),
        sender=_name(walk, form.sender),
        expires=expires,
        until=until,
    )


def _name(walk: Walk, text: Text | None) -> str | None:
    """Return what a name reads now. One that is nobody's is refused at release, like any other."""
    return None if text is None else text.text(walk.scope()).strip()


def _as_of_now(walk: Walk, text: Text, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a text with what only a run can see (history, audiences, consent) looked up now; the rest is rendered at
    release, when the person may have another name or number."""
    parts: list[str] = []
    seen: dict[str, Any] = {}
    for part in text.parts:
        if isinstance(part, str):
            parts.append(part)
        elif part.reads.sees_more_than_values or _BEYOND_VALUES.search(part.source):
            name = f"seen_{len(seen)}"
            scope = walk.scope()
            scope.given = given
            value = part.value(scope)
            seen[name] = text_of(value) if isinstance(value, datetime) else value
            parts.append(f"{{{{ with.{name} }}}}")
        else:
            parts.append(f"{{{{ {part.source} }}}}")
    return "".join(parts), seen


class Send(Step):
    """Ask for one delivery and go on when it was accepted, refused with a reason, or failed for good."""

    channel: ClassVar[Channel]
    if_not_sent: "dict[str, StepList | str] | None" = None

    @property
    def form(self) -> SendForm:
        """What to send."""
        form: SendForm = getattr(self, self.verb)
        return form

    @model_validator(mode="after")
    def _known_reasons(self) -> "Send":
        for reason, answer in (self.if_not_sent or {}).items():
            if reason != "default" and reason not in _REASONS:
                close = get_close_matches(reason, _REASONS, n=1)
                hint = f"did you mean `{close[0]}`?" if close else "one of: default, " + ", ".join(_REASONS)
                raise mistake(f"`{reason}` is no reason for not sending", hint)
            if isinstance(answer, str) and answer not in _NOT_SENT:
                raise mistake(
                    f"`{answer}` is no answer to a refusal", "`exit`, `continue` or a list of steps"
                )
        return self

    def blocks(self) -> Iterator[tuple[str, Sequence[Step]]]:
        """The lists of `if_not_sent`."""
        for reason, answer in (self.if_not_sent or {}).items():
            if not isinstance(answer, str):
                yield f"if_not_sent.{reason}", answer

    def waits(self) -> bool:
        """A run stands here until its delivery is settled."""
        return True

    def enter(self, walk: Walk, node: Node) -> Move:
        """Ask for the delivery and wait until it is settled."""
        walk.ask(node, asked_for(walk, self.channel, self.form, expires=self.expires))
        return Park()

    def resume(self, walk: Walk, node: Node, stimulus: Stimulus) -> Move | None:
        """Go on once the delivery is accepted, skipped or failed."""
        if isinstance(stimulus, Moved) and stimulus.step == node.id:
            return self._settled(walk, node, stimulus.reason)
        if isinstance(stimulus, Looked):
            return self._settled(walk, node, None)
        return None

    def _settled(self, walk: Walk, node: Node, reason: str | None) -> Move | None:
        known = _newest(walk.run, node.id)
        if known is None or not known & SETTLED:
            return None
        if Mark.ACCEPTED in known or known.isdisjoint((Mark.SKIPPED, Mark.FAILED)):
            return Go(node.after)
        answers = self.if_not_sent or {}
        key = reason if reason in answers else "default"
        match answers.get(key, "continue"):
            case "exit":
                return End("exit")
            case "continue":
                return Go(node.after)
            case _:
                return Go(node.blocks[f"if_not_sent.{key}"])


def _newest(run: Run, step: str) -> frozenset[Mark] | None:
    delivery = run.deliveries.get(step)
    return None if delivery is None else reached(delivery.marks)


class Email(Send):
    """Send a mail."""

    verb: ClassVar[str] = "email"
    channel: ClassVar[Channel] = Channel.EMAIL
    email: SendForm


class Sms(Send):
    """Send an SMS."""

    verb: ClassVar[str] = "sms"
    channel: ClassVar[Channel] = Channel.SMS
    sms: SendForm


class Mms(Send):
    """Send an MMS."""

    verb: ClassVar[str] = "mms"
    channel: ClassVar[Channel] = Channel.MMS
    mms: SendForm


class Whatsapp(Send):
    """Send a WhatsApp message."""

    verb: ClassVar[str] = "whatsapp"
    channel: ClassVar[Channel] = Channel.WHATSAPP
    whatsapp: SendForm


class Voice(Send):
    """Make a call."""

    verb: ClassVar[str] = "voice"
    channel: ClassVar[Channel] = Channel.VOICE
    voice: SendForm


class Chat(Send):
    """Write into the person's conversation."""

    verb: ClassVar[str] = "chat"
    channel: ClassVar[Channel] = Channel.CHAT
    chat: SendForm


SENDS: tuple[type[Send], ...] = (Email, Sms, Mms, Whatsapp, Voice, Chat)
