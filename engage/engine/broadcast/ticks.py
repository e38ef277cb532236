"""Ticks: when a schedule is due next is a row; a tick becomes a broadcast in the transaction that plans the next one."""

from datetime import datetime, timedelta
from typing import Any

from engage.domain.catalog import Catalog, JourneyState, LiveJourney
from engage.domain.journey.clockwork import LATE
from engage.domain.journey.trigger import ScheduleTrigger
from engage.engine.broadcast.agenda import SCHEDULE, leave_tick
from engage.ports.storage import Job, Transaction


def turn_of_clocks(tx: Transaction, job: Job, catalog: Catalog, now: datetime) -> None:
    """Plan the next tick of every journey that was published; what was planned for it before is void."""
    at_work = {other.name for other in tx.jobs.unfinished() if other.kind == SCHEDULE}
    left: list[str] = []
    for name in job.data["journeys"]:
        known = tx.jobs.lock(f"{SCHEDULE}:{name}")
        if known is None and f"{SCHEDULE}:{name}" in at_work:
            left.append(name)  # its tick is being taken right now
            continue
        _plan(tx, known, catalog, name, now)
    job.data = {**job.data, "journeys": left}
    job.done += 1
    job.finished_at = None if left else now


def turn_of_schedule(tx: Transaction, job: Job, catalog: Catalog, now: datetime) -> None:
    """Take the tick that is due; ticks missed meanwhile are one, and one that is too late is none."""
    name = job.data["journey"]
    schedule = schedule_of(catalog, name)
    if schedule is None:
        job.finished_at = now
        return
    zone = catalog.settings.zone
    zone = schedule.zone_for(zone, zone)
    tick = datetime.fromisoformat(job.data["due"])
    if schedule.cron is not None:
        tick = _newest(schedule, tick, now, catalog)
    if now - tick <= LATE or schedule.if_late == "send" or job.data.get("go_on"):
        leave_tick(tx, name, tick)
    job.done += 1
    job.data = {**job.data, "after": tick.isoformat(), "handled": schedule.at, "go_on": False}
    following = None if schedule.at is not None else schedule.next(max(tick, now), zone)
    _due(job, following, now)


def schedule_of(catalog: Catalog, name: str) -> ScheduleTrigger | None:
    """Return a journey's schedule if one tick is for everybody and the journey is not archived."""
    live: LiveJourney | None = catalog.journeys.get(name)
    if live is None or live.state is JourneyState.ARCHIVED:
        return None
    schedule = live.journey.trigger.schedule
    return None if schedule is None or schedule.per_person else schedule


def _plan(tx: Transaction, known: Job | None, catalog: Catalog, name: str, now: datetime) -> None:
    schedule = schedule_of(catalog, name)
    if schedule is None:
        if known is not None and known.finished_at is None:
            known.finished_at = now
            tx.jobs.save(known)
        return
    job = known or Job(name=f"{SCHEDULE}:{name}", kind=SCHEDULE, data={"journey": name})
    zone = schedule.zone_for(catalog.settings.zone, catalog.settings.zone)
    due, go_on = None, False
    if schedule.at is None:
        due = schedule.next(_from(job.data, schedule, now, catalog), zone)
    elif job.data.get("handled") != schedule.at:
        due = schedule.instant(zone)
        if due < now:
            go_on = schedule.if_past == "go_on"
            due = due if go_on else None
    job.data = {**job.data, "go_on": go_on}
    _due(job, due, now)
    tx.jobs.save(job)


def _from(data: dict[str, Any], schedule: ScheduleTrigger, now: datetime, catalog: Catalog) -> datetime:
    """Return after which instant to look for ticks: now, or the last tick if its successor is due and not yet taken."""
    if "after" not in data or data.get("due") is None:
        return now
    after, due = datetime.fromisoformat(data["after"]), datetime.fromisoformat(data["due"])
    zone = schedule.zone_for(catalog.settings.zone, catalog.settings.zone)
    return after if due <= now and schedule.next(after, zone) == due else now


def _newest(schedule: ScheduleTrigger, first: datetime, now: datetime, catalog: Catalog) -> datetime:
    """Return the newest tick that is not later than now."""
    zone = schedule.zone_for(catalog.settings.zone, catalog.settings.zone)
    lately = schedule.next(now - LATE - timedelta(minutes=1), zone)
    tick = first if lately is None or lately > now else max(first, lately)
    while (following := schedule.next(tick, zone)) is not None and following <= now:
        tick = following
    return tick


def _due(job: Job, due: datetime | None, now: datetime) -> None:
    job.data = {**job.data, "due": None if due is None else due.isoformat()}
    job.finished_at = now if due is None else None
