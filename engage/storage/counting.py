"""Counting: how deliveries become the numbers of a table, in both stores alike."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from engage.domain.delivery.delivery import UNSUCCESSFUL, Mark, reached
from engage.ports.reading import Counts, Totals

_PROGRESS = (
    ("sent", Mark.ACCEPTED),
    ("delivered", Mark.DELIVERED),
    ("opened", Mark.OPENED),
    ("clicked", Mark.CLICKED),
    ("replied", Mark.REPLIED),
)


class Group(msgspec.Struct, frozen=True, gc=False):
    """Deliveries that are alike in everything that is counted."""

    journey: str | None
    channel: str
    status: Mark
    reason: str | None
    marks: tuple[Mark, ...]
    count: int


def totals(entered: Iterable[tuple[str, int]], groups: Iterable[Group]) -> Totals:
    """Return the numbers of runs entered by journey, and of deliveries by journey and channel."""
    found = Totals()
    for journey, count in entered:
        found.journeys.setdefault(journey, Counts()).entered += count
    for group in groups:
        channel = found.channels.setdefault(group.channel, Counts())
        channel.entered += group.count
        _count(channel, group)
        if group.journey is not None:
            _count(found.journeys.setdefault(group.journey, Counts()), group)
    return found


def age(instant: datetime | None, now: datetime) -> float:
    """Return how many seconds ago something was; 0 for nothing and for what is still to come."""
    return 0.0 if instant is None else max(0.0, (now - instant).total_seconds())


def _count(counts: Counts, group: Group) -> None:
    got_to = reached(group.marks)
    for name, mark in _PROGRESS:
        if mark in got_to:
            setattr(counts, name, getattr(counts, name) + group.count)
    if group.status in UNSUCCESSFUL:
        counts.failed += group.count
    elif group.status is Mark.UNKNOWN:
        counts.unknown += group.count
    elif group.status is Mark.SKIPPED:
        reason = group.reason or ""
        counts.skipped[reason] = counts.skipped.get(reason, 0) + group.count
