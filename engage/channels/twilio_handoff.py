"""Hand-offs to agents through Twilio's TaskRouter and Flex, both directions.

Neither can be told the same thing twice without doing it twice. So a task carries our reference in its attributes, and is looked
for before it is created: asking again for a hand-off that is there finds it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from engage.channels.connections import NotSentError
from engage.channels.twilio_callbacks import Reference, TwilioWebhook, as_reference
from engage.channels.twilio_sms import FAILURES, PROVIDER, attempt
from engage.channels.twilio_transport import KeptHttpClient
from engage.domain.delivery.delivery import FailReason, Mark
from engage.domain.fact import Receipt
from engage.ports.channel import (
    Accepted,
    Answer,
    CannotSay,
    HandoffContent,
    Heard,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    SignedRequest,
    Taken,
    Unknown,
)

FLEX, TASKROUTER = "flex", "taskrouter"
OPEN = frozenset({"pending", "reserved"})
"""A task that no agent has accepted yet."""
_MARKS = {
    "reservation.accepted": Mark.ANSWERED,
    "task.completed": Mark.COMPLETED,
    "task.canceled": Mark.CANCELED,
    "task.deleted": Mark.CANCELED,
}
_TOO_LATE = frozenset({20404, 21220})
"""No such call any more, or none that could be cancelled."""
_SILENT = frozenset(
    {"task.created", "task.updated", "task-queue.entered", "workflow.entered", "reservation.created"}
)


class _TooLateError(Exception):
    """A call cannot be cancelled any more, which is nobody's mistake."""


class TwilioHandoff:
    """Creates and withdraws tasks. The SDK's client over kept connections."""

    provider = PROVIDER

    def __init__(
        self,
        client: Client,
        http: KeptHttpClient,
        workspace: str | None,
        workflows: Mapping[str, str],
        sender: str | None,
    ) -> None:
        """`workflows`: name → WW…; the one named `default` is for steps that name none. `sender`: our side of a Flex chat.

        Without a workspace there is nobody to hand over to; calls can be taken back all the same.
        """
        self._calls = client.calls
        self._tasks = client.taskrouter.v1.workspaces(workspace or "").tasks
        self._interactions = client.flex_api.v1.interaction
        self._http, self._workspace, self._workflows, self._sender = http, workspace, workflows, sender

    def send(self, outbound: Outbound) -> Answer:
        """Create the task of this hand-off, or withdraw one, unless that has been done already."""
        content = outbound.content
        if not isinstance(content, HandoffContent):
            return Rejected(reason=FailReason.CONFIG, code="no_handoff", detail="this is no hand-off")
        if content.withdrawn_call is not None:
            return self._hang_up(content.withdrawn_call)
        if self._workspace is None:
            return Rejected(
                reason=FailReason.CONFIG, code="no_workspace", detail="TWILIO_WORKSPACE_SID is not set"
            )
        try:
            there = self._find(content.withdraws or outbound.delivery)
        except NotSentError:
            return attempt(_raise_not_sent, self._http)
        except FAILURES:
            return Unknown(code="no_answer", detail="the tasks could not be looked through")
        if content.withdraws is not None:
            return self._withdraw(there)
        if there is not None:
            return Accepted(provider_id=there.sid)
        workflow = self._workflow(content.workflow)
        if workflow is None:
            return Rejected(
                reason=FailReason.CONFIG, code="no_workflow", detail="TWILIO_WORKFLOWS names no such workflow"
            )
        attributes = _attributes(outbound, content)
        if content.target == FLEX:
            return self._interact(outbound, workflow, attributes)
        if content.target != TASKROUTER:
            return Rejected(
                reason=FailReason.CONFIG, code="no_target", detail="hand-offs go to `flex` or `taskrouter`"
            )
        text = msgspec.json.encode(attributes).decode()
        return attempt(lambda: self._tasks.create(attributes=text, workflow_sid=workflow), self._http)

    def _interact(self, outbound: Outbound, workflow: str, attributes: dict[str, Any]) -> Answer:
        if not outbound.to or not self._sender:
            return Rejected(
                reason=FailReason.CONFIG, code="no_address", detail="a chat in Flex needs both sides' numbers"
            )
        customer = {"address": outbound.to, "proxy_address": self._sender, "type": "customer"}
        channel = {"type": "sms", "initiated_by": "api", "participants": [customer]}
        properties = {
            "workspace_sid": self._workspace,
            "workflow_sid": workflow,
            "task_channel_unique_name": "chat",
            "attributes": attributes,
        }
        return attempt(
            lambda: self._interactions.create(channel=channel, routing={"properties": properties}), self._http
        )

    def _withdraw(self, task: Any) -> Answer:
        """Cancel a task as long as nobody has accepted it; one that is gone or taken needs nothing."""
        if task is None or task.assignment_status not in OPEN:
            return Accepted(provider_id="" if task is None else task.sid)
        return attempt(
            lambda: self._tasks(task.sid).update(assignment_status="canceled", reason="withdrawn"), self._http
        )

    def _hang_up(self, call: str) -> Answer:
        """Cancel a call that waits or rings. One that somebody answered, or that is over, stays as it is."""
        if not call.startswith("CA"):
            return Accepted(provider_id=call)
        try:
            return attempt(lambda: self._cancel(call), self._http)
        except _TooLateError:
            return Accepted(provider_id=call)

    def _cancel(self, call: str) -> Any:
        try:
            return self._calls(call).update(status="canceled")
        except TwilioRestException as exc:
            if exc.code in _TOO_LATE:
                raise _TooLateError from exc
            raise

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        """Look for the task with our reference: there it is, or it never was."""
        if self._workspace is None:
            return NotTaken()
        try:
            task = self._find(question.delivery)
        except FAILURES:
            return CannotSay()
        return NotTaken() if task is None else Taken(provider_id=task.sid)

    def _find(self, reference: str) -> Any:
        found = self._tasks.list(evaluate_task_attributes=f'engage_ref == "{reference}"', limit=1)
        return found[0] if found else None

    def _workflow(self, name: str | None) -> str | None:
        if name and name.startswith("WW") and len(name) == 34:
            return name
        return self._workflows.get(name or "default")


def _raise_not_sent() -> None:
    raise NotSentError("the tasks could not be looked through")


def _attributes(outbound: Outbound, content: HandoffContent) -> dict[str, Any]:
    """What the agent is told; a hyphen in a name would break a workflow's expressions silently."""
    told = {name.replace("-", "_"): value for name, value in content.attributes.items()}
    return {
        **told,
        "identifiers": dict(content.identifiers),
        "phone": outbound.to or None,
        "engage_ref": outbound.delivery,
        "engage_lane": outbound.lane,
    }


class TaskWebhook(TwilioWebhook):
    """`twilio/tasks`: the event callback of the workspace: an agent accepted, completed or refused a task of ours."""

    path = "twilio/tasks"

    def _read(self, request: SignedRequest, fields: dict[str, str]) -> Heard:
        event = fields.get("EventType", "")
        mark = _MARKS.get(event)
        if mark is None:
            # A workspace tells of everything; what says nothing about a hand-off is no mistake.
            return Heard() if event in _SILENT or event else self._odd("no_event", request)
        ours = _reference(fields.get("TaskAttributes", ""))
        if ours is None:
            return Heard()  # somebody else's task
        task = fields.get("TaskSid", "")
        why = fields.get("TaskCompletedReason") or fields.get("TaskCanceledReason") or None
        receipt = Receipt(
            delivery=ours.delivery,
            mark=mark,
            at=request.received_at,
            receipt_id=f"{task}:{event}",
            provider=PROVIDER,
            provider_id=task or None,
            reason=why if mark is Mark.COMPLETED else None,
        )
        return Heard(receipts=((ours.lane, receipt),))


def _reference(attributes: str) -> Reference | None:
    try:
        told = msgspec.json.decode(attributes)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    return as_reference(str(told.get("engage_ref", "")), str(told.get("engage_lane", "")))


def read_workflows(written: Sequence[str]) -> dict[str, str]:
    """Return the workflows of `name=WW…` entries; one without a name is the default."""
    pairs = [entry.rpartition("=") for entry in written]
    return {(name.strip() or "default"): sid.strip() for name, _, sid in pairs}
