"""The tasks: hints that there is work. They carry lanes, channels, names of jobs and ids — never anything about a person."""

import atexit
import os
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from datetime import datetime
from functools import lru_cache
from time import monotonic

import structlog
from celery.signals import worker_process_shutdown, worker_shutdown

import engage.providers  # noqa: F401 - the SDKs are imported when a worker starts, not when its first call is to leave
from engage.bootstrap import Runtime, open_runtime
from engage.domain.delivery.delivery import Channel, Priority
from engage.domain.ids import ProfileId
from engage.engine.retain import Folded
from engage.settings import load_settings
from workers.app import LISTS_SECONDS, RECONCILE_SECONDS, UPKEEP_EXPIRES, app
from workers.gather import Gather
from workers.hints import EXPIRES, CeleryHints
from workers.lines import Lines

log = structlog.get_logger(__name__)

TURNS = 4
"""Turns of one job within a task, before others get theirs: a second at most."""
LANES_A_TURN = 32
"""Lanes digested together: half of all, so that two processes need not stand in each other's way."""


@lru_cache(maxsize=2)
def _runtime_of(pid: int) -> Runtime:
    """One engine a process; a forked child makes its own."""
    del pid
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(open_runtime(load_settings(), hints=CeleryHints(app)))


def runtime() -> Runtime:
    """Return this process's engine."""
    return _runtime_of(os.getpid())


def _digest(lanes: Collection[int], *, urgent: bool = False) -> Collection[int]:
    engine = runtime()
    done = engine.digest.turn(lanes, engine.clock.now(), wait=urgent)
    if done.deliveries:
        engine.hints.deliver(done.deliveries.elements())
    if done.busy:
        # Whoever has them may have read before the facts of this hint were there: somebody must come back.
        engine.hints.digest(done.busy)
    return lanes if done.more else ()


def _overtake(lanes: Collection[int]) -> Iterable[int]:
    """Digest these together, and where they hold more than a turn takes, each to its end: else who waits in one lane would
    wait for what was before them in all."""
    left = _digest(lanes, urgent=True)
    return [lane for lane in left if not _to_its_end(lane)]


def _to_its_end(lane: int) -> bool:
    return any(not _digest([lane], urgent=True) for _ in range(TURNS))


def _hint(lanes: Collection[int]) -> None:
    if lanes:
        runtime().hints.digest(lanes)


_digesting: Gather[int] = Gather(_digest, _hint, most=LANES_A_TURN)
_overtaking: Gather[int] = Gather(_overtake, _hint, most=LANES_A_TURN)
"""A lane that somebody waits for is digested by the worker that has nothing else to do: the backlog of a broadcast or a flood
lies in all lanes, and only a sixty-fourth of it in this one."""


def _settle(_: Collection[str]) -> tuple[str, ...]:
    runtime().settle.turn()
    return ()


def _reconcile(_: Collection[str]) -> tuple[str, ...]:
    end = monotonic() + RECONCILE_SECONDS / 2
    while runtime().reconcile.turn() and monotonic() < end:
        pass
    return ()


def _backfill(jobs: Collection[str]) -> tuple[str, ...]:
    engine = runtime()
    for job in jobs:
        for _ in range(TURNS):
            progress = engine.backfill.turn(job, engine.clock.now())
            if progress is None or progress.finished:
                break
    return ()


def _broadcast(jobs: Collection[str]) -> list[str]:
    return [job for job in jobs if _goes_on(job)]


def _goes_on(job: str) -> bool:
    engine = runtime()
    for _ in range(TURNS):
        now = engine.clock.now()
        done = engine.broadcast.turn(job, now)
        if done is None or done.finished or (done.due is not None and done.due > now):
            return False
    return True


def _broadcast_later(jobs: Collection[str]) -> None:
    for job in jobs:
        broadcast.apply_async((job,), queue="engine", expires=EXPIRES)


def _sweep(_: Collection[str]) -> tuple[str, ...]:
    engine = runtime()
    found = engine.sweep.look(engine.clock.now(), engine.clock.machine())
    if found.lanes:
        engine.hints.digest(found.lanes)
    if found.deliveries:
        engine.hints.deliver(found.deliveries)
    if found.unsettled:
        settle.apply_async(queue="engine", expires=EXPIRES)
    for job in found.jobs:
        backfill.apply_async((job,), queue="engine", expires=EXPIRES)
    for job in found.broadcasts:
        broadcast.apply_async((job,), queue="engine", expires=EXPIRES)
    return ()


def _swept(_: Collection[str]) -> None:
    """What is still to do the next sweep finds."""


# Of each one at a time, however many hints of it lie in the broker; and a provider that answers no call answers no question
# either, and must not take all threads of a worker.
_settling: Gather[str] = Gather(_settle, _swept, most=1)
_reconciling: Gather[str] = Gather(_reconcile, _swept, most=1)
_filling: Gather[str] = Gather(_backfill, _swept, most=1)
_casting: Gather[str] = Gather(_broadcast, _broadcast_later, most=1)
_sweeping: Gather[str] = Gather(_sweep, _swept, most=1)


def _deliver(channel: Channel, priority: Priority) -> bool:
    return runtime().deliver.turn(channel, priority).more


_delivering = Lines(_deliver, lambda channel, priority: runtime().hints.deliver({(channel, priority)}))


@worker_shutdown.connect
@worker_process_shutdown.connect
def _close(**_: object) -> None:
    """End as a worker should: nothing is begun any more, and what was begun is written down."""
    _delivering.close()


@app.task(name="workers.tasks.digest")
def digest(lanes: list[int], urgent: bool = False) -> None:
    """Digest these lanes, with whatever else was hinted at meanwhile."""
    (_overtaking if urgent else _digesting).add(lanes)


@app.task(name="workers.tasks.deliver")
def deliver(channel: str, priority: str) -> None:
    """Have released what is due on a channel, as long as there is some; no task waits for a provider."""
    _delivering.hint(Channel(channel), Priority(priority))


@app.task(name="workers.tasks.settle")
def settle() -> None:
    """Settle unknown outcomes and the calls of dead workers."""
    _settling.add(["hinted"])


@app.task(name="workers.tasks.backfill")
def backfill(job: str) -> None:
    """Look at the next people of a job; the sweep comes back while there are more."""
    _filling.add([job])


@app.task(name="workers.tasks.broadcast")
def broadcast(job: str) -> None:
    """Take turns of a tick, a signal or a broadcast; one that goes on without a pause is hinted again."""
    _casting.add([job])


@app.task(name="workers.tasks.lists")
def lists() -> None:
    """Keep providers' lists of refused addresses and ours in step; the next beat goes on where this one stops."""
    end = monotonic() + LISTS_SECONDS / 2
    for room in runtime().lists:
        while room.turn() and monotonic() < end:
            pass


@app.task(name="workers.tasks.reconcile")
def reconcile() -> None:
    """Ask providers for the ends that they did not tell; the next beat goes on where this one stops."""
    _reconciling.add(["due"])


@app.task(name="workers.tasks.upkeep")
def upkeep(before: str = "", epoch: int = 0, after: str = "") -> None:
    """Make the months of events to come, and remove what is older than the project keeps; go on, where folding is long."""
    so_far = Folded(datetime.fromisoformat(before), epoch, ProfileId(after)) if after else None
    removed, folded = runtime().keep_house(so_far)
    log.info("upkeep.done", removed=removed)
    if folded.after is not None:
        upkeep.apply_async(
            (folded.before.isoformat(), folded.epoch, folded.after), queue="engine", expires=UPKEEP_EXPIRES
        )


@app.task(name="workers.tasks.sweep")
def sweep() -> None:
    """Find work that nobody hinted at, and hint at it."""
    _sweeping.add(["due"])
