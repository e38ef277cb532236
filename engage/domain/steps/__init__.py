"""The verbs of the language, one file per family. A new verb: its class in a family, its row here, its scenario."""

from engage.domain.steps.base import Step
from engage.domain.steps.calls import CALL_STEPS
from engage.domain.steps.choice import Branch, Split
from engage.domain.steps.flow import Emit, Exit, Repeat, Start
from engage.domain.steps.people import AddTo, Remember, RemoveFrom, Set, Subscribe, Suppress, Unsubscribe
from engage.domain.steps.reach import Reach
from engage.domain.steps.send import SENDS
from engage.domain.steps.steplist import VERBS, StepList
from engage.domain.steps.wait_for import WaitFor
from engage.domain.steps.waiting import Wait, WaitUntil

_ALL: tuple[type[Step], ...] = (
    *SENDS,
    Reach,
    *CALL_STEPS,
    Wait,
    WaitUntil,
    WaitFor,
    Branch,
    Split,
    Set,
    Remember,
    Subscribe,
    Unsubscribe,
    Suppress,
    AddTo,
    RemoveFrom,
    Emit,
    Start,
    Repeat,
    Exit,
)
VERBS.update({step.verb: step for step in _ALL})

__all__ = ["VERBS", "Step", "StepList"]
