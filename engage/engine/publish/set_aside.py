"""Set aside: one person whom a mistake keeps from being judged does not hold up everybody who comes after them."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import structlog

from engage.domain.decision import Decided, Decision
from engage.domain.errors import UnusableSettingsError
from engage.domain.ids import ProfileId
from engage.domain.turn.changes import Changes
from engage.ports.jobs import ASIDE, Job
from engage.ports.storage import StorageAwayError, StorageBusyError, Transaction

log = structlog.get_logger(__name__)

MOST = 100
"""People whom one job sets aside. Where more fail it is not they who are wrong, and the job waits for us to mend it."""
_WAIT = (StorageAwayError, StorageBusyError, UnusableSettingsError)

T = TypeVar("T")


def by_halves(
    take: Callable[[int], T | None], leave_out: Callable[[Exception], object], most: int
) -> T | None:
    """Take a turn of at most so many people; if it fails, find who makes it fail and leave them out.

    `take` returns what a turn came to, None if there is nothing to do. Everybody before the one who fails is dealt with
    when this returns, everybody after them is dealt with by the turns to come.

    Raises:
        Exception: what `take` raised, where that was nobody's fault, and what `leave_out` raised.
    """
    try:
        return take(most)
    except _WAIT:
        raise
    except Exception:
        log.exception("job.careful")
    done: T | None = None
    while True:
        most = max(1, most // 2)
        try:
            done = take(most)
        except _WAIT:
            raise
        except Exception as exc:
            if most > 1:
                continue
            leave_out(exc)
            return done
        if done is None or most == 1:
            return done


def set_aside(
    tx: Transaction,
    job: Job,
    profile: ProfileId,
    now: datetime,
    mistake: Exception,
    journey: str | None = None,
) -> None:
    """Note on a job, and for `why`, that a mistake of ours kept it from dealing with a person.

    Raises:
        Exception: the mistake itself, if too many were set aside already.
    """
    count = int(job.data.get(ASIDE, 0)) + 1
    if count > MOST:
        raise mistake
    job.data = {**job.data, ASIDE: count}
    log.error("person.set_aside", job=job.name, error=type(mistake).__name__, count=count)
    if not tx.people.lock([profile]):
        return
    decision = Decision(
        profile=profile,
        at=now,
        kind=Decided.EVENT if journey is None else Decided.ENTRY,
        outcome="set_aside" if journey is None else "refused",
        journey=journey,
        reason="mistake",
        rule=type(mistake).__name__,
    )
    tx.write(Changes(decisions=[decision]))
