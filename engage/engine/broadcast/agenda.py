"""Agenda: the jobs that rooms leave behind for the broadcast room, and when each is due."""

from datetime import datetime
from typing import Any

from engage.domain.catalog import Catalog, JourneyState
from engage.domain.fact import Signal
from engage.domain.timing import format_instant
from engage.ports.storage import Job, Transaction

CLOCKS = "clocks"
"""These journeys were published: look whether they have a schedule."""
SCHEDULE = "schedule"
"""One journey's next tick; unfinished as long as there is one."""
BROADCAST = "broadcast"
"""One tick, one signal, or everybody inside an audience already, on its way through the people."""
KINDS = frozenset({CLOCKS, SCHEDULE, BROADCAST})


def due_of(job: Job) -> datetime | None:
    """Return when a job's next turn is; none: at once."""
    due = job.data.get("due")
    return None if due is None else datetime.fromisoformat(due)


def is_due(job: Job, now: datetime) -> bool:
    """Return whether a job's next turn is due."""
    due = due_of(job)
    return due is None or due <= now


def leave_clocks(tx: Transaction, journeys: list[str], epoch: int) -> None:
    """Have the schedules of these journeys planned anew, now that they were published or set going again."""
    if journeys:
        tx.jobs.save(Job(name=f"{CLOCKS}:{epoch}", kind=CLOCKS, data={"journeys": journeys}))


def leave_tick(tx: Transaction, journey: str, tick: datetime) -> None:
    """Have one tick of a schedule enter its people; the same tick is the same job."""
    at = format_instant(tick)
    data = {"journey": journey, "entry": {"scheduled_at": at}, "due": tick.isoformat()}
    _leave(tx, f"{BROADCAST}:{journey}:{at}", data)


def leave_signal(tx: Transaction, catalog: Catalog, signal: Signal, now: datetime) -> None:
    """Have a signal enter whom it is about: one job a journey, in the transaction that takes the signal in."""
    if signal.timestamp < now - catalog.settings.late_events:
        return
    for live in catalog.signal_triggers.get(signal.event, ()):
        data: dict[str, Any] = {
            "journey": live.name,
            "event": signal.event,
            "entry": signal.properties,
            "since": signal.timestamp.isoformat(),
        }
        if live.journey.trigger.at_most is not None:
            data["phase"] = "choose"
        _leave(tx, f"{BROADCAST}:{live.name}:{signal.source}:{signal.message_id}", data)


def leave_inside(tx: Transaction, catalog: Catalog, journey: str, cause: str) -> None:
    """Have a journey take in, at its pace, who is inside its audience already, where it says so."""
    live = catalog.journeys.get(journey)
    if live is None or live.state is not JourneyState.ACTIVE:
        return
    trigger = live.journey.trigger
    if trigger.audience is not None and trigger.existing == "include" and trigger.pace is not None:
        entry = {"audience_key": trigger.audience.entered or trigger.audience.left}
        _leave(tx, f"{BROADCAST}:{journey}:{cause}", {"journey": journey, "entry": entry})


def _leave(tx: Transaction, name: str, data: dict[str, Any]) -> None:
    tx.jobs.save(Job(name=name, kind=BROADCAST, data=data, total=tx.people.count()))
