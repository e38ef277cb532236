"""Agents: what becomes of tasks, told to the workspace's event callback as TaskRouter does."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from engage.sandbox.ledger import Channel, Entry
from engage.sandbox.now import unix_now
from engage.sandbox.twilio.records import Record

if TYPE_CHECKING:
    from engage.sandbox.state import Sandbox

ACTIONS = {"accept": "reservation.accepted", "complete": "task.completed", "cancel": "task.canceled"}
_STATUSES = {"reservation.accepted": "assigned", "task.completed": "completed", "task.canceled": "canceled"}
OVER = frozenset({"completed", "canceled"})


class NoSuchTaskError(ValueError):
    """No task has this id or reference, or it is over already."""


class Agents:
    """Moves tasks on and reports each step."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def act(self, name: str, action: str) -> Record:
        """Let an agent `accept`, `complete` or `cancel` the task of this id or `engage_ref`; `complete: sold` gives a reason.

        Raises:
            NoSuchTaskError: there is none that could.
        """
        verb, _, reason = action.partition(":")
        event = ACTIONS.get(verb.strip())
        tasks = [
            task
            for task in self._sandbox.records.all("tasks")
            if name and (task["sid"] == name or name in task["attributes"])
        ]
        if event is None or not tasks or tasks[-1]["assignment_status"] in OVER:
            raise NoSuchTaskError(f"no open task {name!r} can be told to {action!r}")
        self.move(tasks[-1], event, reason.strip() or None)
        return tasks[-1]

    def move(self, task: Record, event: str, reason: str | None = None) -> None:
        """Put a task into the status of an event, and report it."""
        task["assignment_status"] = _STATUSES.get(event, task["assignment_status"])
        if reason:
            task["reason"] = reason
        self.report(task, event)

    def report(self, task: Record, event: str) -> None:
        """Post the event to the workspace's callback, signed."""
        url = self._sandbox.config.task_events_url
        if not url:
            return
        fields = [
            ("AccountSid", task["account_sid"]),
            ("EventType", event),
            ("ResourceSid", task["sid"]),
            ("ResourceType", "task"),
            ("Sid", "EV" + secrets.token_hex(16)),
            ("TaskAge", "0"),
            ("TaskAssignmentStatus", task["assignment_status"]),
            ("TaskAttributes", task["attributes"]),
            ("TaskPriority", str(task["priority"])),
            ("TaskSid", task["sid"]),
            ("Timestamp", str(int(unix_now()))),
            ("WorkflowSid", task["workflow_sid"] or ""),
            ("WorkspaceSid", task["workspace_sid"]),
        ]
        if event in ("task.completed", "task.canceled") and task["reason"]:
            fields.append(
                ("TaskCompletedReason" if event == "task.completed" else "TaskCanceledReason", task["reason"])
            )
        now = unix_now()
        about = Entry(
            id=task["sid"],
            channel=Channel.SMS,
            ref=None,
            to="",
            sender="",
            body="",
            status=task["assignment_status"],
            accepted_at=now,
            account_sid=task["account_sid"],
        )
        self._sandbox.hooks.emit(about, url, fields, event, last=True)
