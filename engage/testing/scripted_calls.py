"""Scripted calls: the other end of `webhook`, `sync` and `handoff`, answering as a scenario says."""

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engage.channels.webhook_calls import answer_of
from engage.domain.delivery.delivery import Channel
from engage.domain.ids import DeliveryId
from engage.domain.journey.walk import SECRET_MARKS
from engage.ports.channel import (
    Accepted,
    Busy,
    CallContent,
    HandoffContent,
    NotTaken,
    Outbound,
    Question,
    SyncContent,
    Taken,
    Unknown,
    WebhookContent,
)
from engage.ports.channel import Answer as SendAnswer
from engage.ports.clock import Clock
from engage.project.scenario import Answer, AnswerKind

OK = Answer(kind=AnswerKind.OK, status=200)
_MARKED = re.compile(f"{SECRET_MARKS[0]}(.*?){SECRET_MARKS[1]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTaken:
    """One call that the other end took, or refused for good: what it was told."""

    delivery: DeliveryId
    at: datetime
    told: dict[str, Any]


@dataclass
class ScriptedCalls:
    """The other end of one kind of call. Implements `ports.channel.Sender`."""

    channel: Channel
    clock: Clock
    provider: str = "scripted"
    answers: deque[Answer] = field(default_factory=deque)
    taken: list[CallTaken] = field(default_factory=list)
    withdrawn: list[DeliveryId] = field(default_factory=list)
    """Hand-offs that were taken back; no call of their own."""
    _last: dict[DeliveryId, str | None] = field(default_factory=dict)

    def send(self, outbound: Outbound) -> SendAnswer:
        """Answer as the script says; without one, 200."""
        is_withdrawal = (
            isinstance(outbound.content, HandoffContent) and outbound.content.withdraws is not None
        )
        scripted = self.answers.popleft() if self.answers and not is_withdrawal else OK
        answer = self._answer(scripted)
        is_taken = not isinstance(answer, Busy | Unknown) or scripted.kind is AnswerKind.TIMEOUT
        self._last[outbound.delivery] = self._take(outbound) if is_taken else None
        return answer

    def ask(self, question: Question) -> Taken | NotTaken:
        """Say whether the newest call was taken: this end always knows."""
        taken = self._last.get(question.delivery)
        return NotTaken() if taken is None else Taken(provider_id=taken)

    def _answer(self, scripted: Answer) -> SendAnswer:
        if scripted.kind in (AnswerKind.TIMEOUT, AnswerKind.TIMEOUT_LOST):
            return Unknown(code="timeout") if self.channel is Channel.HANDOFF else Busy(code="timeout")
        answer = answer_of(scripted.status or 200, scripted.body, scripted.retry_after)
        if isinstance(answer, Accepted):
            return Accepted(provider_id=f"{self.channel}-{len(self.taken) + 1}", answer=answer.answer)
        return answer

    def _take(self, outbound: Outbound) -> str:
        content = outbound.content
        assert isinstance(content, CallContent)
        if isinstance(content, HandoffContent) and content.withdraws is not None:
            self.withdrawn.append(content.withdraws)
            return f"{self.channel}-withdrawn"
        told = _told(content)
        self.taken.append(CallTaken(delivery=outbound.delivery, at=self.clock.now(), told=told))
        return f"{self.channel}-{len(self.taken)}"


def _told(content: CallContent) -> dict[str, Any]:
    match content:
        case WebhookContent():
            return {
                "url": content.url,
                "method": content.method,
                "headers": _readable(dict(content.headers)),
                "body": _readable(content.body),
            }
        case SyncContent():
            return {"to": content.destination, "with": dict(content.values)}
        case HandoffContent():
            return {
                "to": content.target,
                "workflow": content.workflow,
                "attributes": dict(content.attributes),
            }


def _readable(data: Any) -> Any:
    """Return a request with the names of its secrets where the secrets would stand."""
    match data:
        case str():
            return _MARKED.sub(r"{{ secret('\1') }}", data)
        case dict():
            return {key: _readable(value) for key, value in data.items()}
        case list():
            return [_readable(value) for value in data]
        case _:
            return data
