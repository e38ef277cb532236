"""Steps that call other systems: `webhook`, `sync`, `handoff`. They are reserved, made and settled like deliveries."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from engage.domain.delivery.delivery import SETTLED, Channel, Mark, reached
from engage.domain.expression import ExpressionError, Place, Text, compile_text
from engage.domain.forms import (
    DataField,
    DurationField,
    Form,
    PlainText,
    TextField,
    VariableName,
    mistake,
)
from engage.domain.steps.base import Asked, Go, Looked, Move, Moved, Node, Park, Step, Stimulus, Walk

DEFAULT_RETRIES = 3
MAX_TIMEOUT = timedelta(seconds=30)
"""Longer than that a worker would hold its lease for one slow system."""


def _secret_text(value: object) -> Any:
    """Compile a tree of values in which texts may hold `{{ secret('NAME') }}`."""
    match value:
        case str():
            try:
                return compile_text(value, Place.SECRET_TEXT)
            except ExpressionError as exc:
                raise mistake(exc.message, exc.hint, exc.offset) from exc
        case dict():
            return {str(key): _secret_text(item) for key, item in value.items()}
        case list():
            return [_secret_text(item) for item in value]
        case _:
            return value


def _headers(value: object) -> dict[str, Text]:
    if not isinstance(value, dict) or not all(isinstance(item, str | Text) for item in value.values()):
        raise mistake("`headers` is a mapping of texts", '`headers: {Authorization: "Bearer …"}`')
    return {str(key): item if isinstance(item, Text) else _secret_text(item) for key, item in value.items()}


SecretData = Annotated[Any, PlainValidator(_secret_text), WithJsonSchema({})]
Headers = Annotated[
    dict[str, Text],
    PlainValidator(_headers),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]


class WebhookForm(Form):
    """A request to a system of the project's, signed, and repeated while it is not taken."""

    url: TextField
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: Headers = {}
    body: SecretData = None
    timeout: DurationField | None = None
    save_as: VariableName | None = None
    retries: int = Field(default=DEFAULT_RETRIES, ge=0, le=20)

    @model_validator(mode="after")
    def _short_enough(self) -> "WebhookForm":
        if self.timeout is not None and not timedelta(0) < self.timeout <= MAX_TIMEOUT:
            raise mistake("`timeout` of a webhook is at most 30 seconds", "the run waits for the answer")
        return self


class SyncForm(Form):
    """A destination, with values beside the profile."""

    to: PlainText
    with_: dict[str, DataField] = Field(default={}, alias="with")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"to": data} if isinstance(data, str) else data


class HandoffForm(Form):
    """Where an agent takes over, and what they are told."""

    to: PlainText
    workflow: TextField | None = None
    attributes: dict[str, DataField] = {}


class Call(Step):
    """Ask for one call and go on when it was taken, or given up. Held-out runs make none."""

    channel: ClassVar[Channel]

    def waits(self) -> bool:
        """A run stands here until its call is settled."""
        return True

    def what(self, walk: Walk) -> dict[str, Any]:
        """Return what is to be called, as of now."""
        raise NotImplementedError

    def enter(self, walk: Walk, node: Node) -> Move:
        """Ask for the call and wait until it is settled."""
        if walk.run.held_out:
            return Go(node.after)
        walk.ask(node, Asked(channel=self.channel, variables=self.what(walk), expires=self.expires))
        return Park()

    def resume(self, walk: Walk, node: Node, stimulus: Stimulus) -> Move | None:
        """Go on once the call is settled."""
        if isinstance(stimulus, Looked) or (isinstance(stimulus, Moved) and stimulus.step == node.id):
            call = walk.run.deliveries.get(node.id)
            known = frozenset[Mark]() if call is None else reached(call.marks)
            return Go(node.after) if known & SETTLED else None
        return None


def _secrets_in(data: Any) -> frozenset[str]:
    """Return the names of the secrets in compiled data."""
    match data:
        case Text():
            return frozenset(data.reads.secrets)
        case dict():
            return _secrets_in(list(data.values()))
        case list():
            return frozenset().union(*map(_secrets_in, data))
        case _:
            return frozenset()


class Webhook(Call):
    """Call a system of the project's; its answer is `run.<save_as>.status` and `.body`."""

    verb: ClassVar[str] = "webhook"
    channel: ClassVar[Channel] = Channel.WEBHOOK
    webhook: WebhookForm

    def what(self, walk: Walk) -> dict[str, Any]:
        """Return the request; secrets stand in it by name and are put in when it leaves."""
        form = self.webhook
        timeout = None if form.timeout is None else form.timeout.total_seconds()
        return {
            "url": walk.fill(form.url),
            "method": form.method,
            "headers": walk.fill_secret(form.headers),
            "body": walk.fill_secret(form.body),
            "timeout": timeout,
            "save_as": form.save_as,
            "retries": form.retries,
            "secrets": sorted(_secrets_in(form.headers) | _secrets_in(form.body)),
        }


class Sync(Call):
    """Push the profile to a destination."""

    verb: ClassVar[str] = "sync"
    channel: ClassVar[Channel] = Channel.SYNC
    sync: SyncForm

    def what(self, walk: Walk) -> dict[str, Any]:
        """Return the destination and the values that go with the profile."""
        return {"to": self.sync.to, "with": walk.fill(self.sync.with_)}


class Handoff(Call):
    """Hand the conversation to an agent; `wait_for: {step: id, status: completed}` waits for its end."""

    verb: ClassVar[str] = "handoff"
    channel: ClassVar[Channel] = Channel.HANDOFF
    handoff: HandoffForm

    def what(self, walk: Walk) -> dict[str, Any]:
        """Return where to, and what the agent is told."""
        form = self.handoff
        workflow = None if form.workflow is None else form.workflow.text(walk.scope())
        return {"to": form.to, "workflow": workflow, "attributes": walk.fill(form.attributes)}


CALL_STEPS: tuple[type[Call], ...] = (Webhook, Sync, Handoff)
