"""Entering: who may begin a run, and the reason where somebody may not."""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from engage.domain.catalog import JourneyState, LiveJourney
from engage.domain.decision import Decided, EndReason, EntryRefusal
from engage.domain.expression import split_fraction, text_of
from engage.domain.ids import RunId
from engage.domain.journey.course import begin_run, finish
from engage.domain.journey.run import Run
from engage.domain.journey.walk import plain
from engage.domain.profile.person import Entries, Person
from engage.domain.turn.turn import Turn


class Candidate:
    """Somebody a trigger looks at: what they would enter with."""

    __slots__ = ("entry", "entry_event", "key", "punctual", "run_id", "since", "started_by")

    def __init__(
        self,
        *,
        entry: Mapping[str, Any],
        entry_event: str | None,
        since: datetime,
        started_by: str | None = None,
        key: str | None = None,
        run_id: RunId | None = None,
        punctual: bool = False,
    ) -> None:
        """`since` is the timestamp of what triggers; `key` is given only where the caller named it.

        `punctual`: it was judged not to be late when it came in, however long its turn took to come.
        """
        self.entry, self.entry_event, self.since = entry, entry_event, since
        self.started_by, self.key, self.run_id = started_by, key, run_id
        self.punctual = punctual


def enter(turn: Turn, person: Person, live: LiveJourney, candidate: Candidate) -> Run | None:
    """Let a person enter a journey, or record why not; the first refusal of the vocabulary's order counts."""
    key = _key(turn, person, live, candidate)
    inside = None if key is None else _inside(person, live.name, key)
    if refused(turn, person, live, candidate) or key is None:
        return None
    if not turn.may_enter():
        turn.decide(person, Decided.ENTRY, "refused", journey=live.name, reason=str(EndReason.LOOP_LIMIT))
        return None
    if inside is not None:
        finish(turn, person, inside, EndReason.REPLACED)
    turn.links += 1
    entries = person.entries.setdefault(live.name, Entries())
    return begin_run(
        turn,
        person,
        live,
        key=key,
        entry=candidate.entry,
        entry_event=candidate.entry_event,
        since=candidate.since,
        started_by=candidate.started_by,
        run_id=candidate.run_id,
        ordinal=entries.add(key, turn.now),
        held_out=_held_out(turn, person, live),
    )


def refused(turn: Turn, person: Person, live: LiveJourney, candidate: Candidate) -> bool:
    """Return whether a person may not enter now, and record why."""
    key = _key(turn, person, live, candidate)
    inside = None if key is None else _inside(person, live.name, key)
    refusal, values = _refusal(turn, person, live, candidate, key, inside)
    if refusal is not None:
        turn.decide(
            person, Decided.ENTRY, "refused", journey=live.name, reason=str(refusal), values=dict(values)
        )
    return refusal is not None


def _refusal(
    turn: Turn, person: Person, live: LiveJourney, candidate: Candidate, key: str | None, inside: Run | None
) -> tuple[EntryRefusal | None, Mapping[str, Any]]:
    """Return why this person may not enter, with the values that were looked at."""
    if live.state is not JourneyState.ACTIVE:
        return EntryRefusal.PAUSED, {}
    if not candidate.punctual and candidate.since < turn.now - turn.catalog.settings.late_events:
        return EntryRefusal.LATE, {}
    if key is None:
        return EntryRefusal.NO_KEY, {}
    where = live.journey.entry.where
    if where is not None:
        scope = person.scope(
            turn.catalog.settings, turn.now, entry=dict(candidate.entry), entry_event=candidate.entry_event
        )
        if not where.truth(scope):
            return EntryRefusal.ENTRY_WHERE, plain(where.seen(scope))
    if inside is not None:
        ignored = live.journey.entry.while_inside == "ignore"
        return (EntryRefusal.ALREADY_INSIDE if ignored else None), {"run": inside.id}
    return (None if _may_return(turn, person, live, key) else EntryRefusal.REENTRY), {}


def _key(turn: Turn, person: Person, live: LiveJourney, candidate: Candidate) -> str | None:
    """Return the run's key ('' where the journey has none), or None where it should have one and has not."""
    if candidate.key is not None:
        return candidate.key or None
    expression = live.journey.trigger.key
    if expression is None:
        return ""
    entry = dict(candidate.entry)
    scope = person.scope(
        turn.catalog.settings, turn.now, event=entry, entry=entry, entry_event=candidate.entry_event
    )
    value = expression.value(scope)
    if value is None or isinstance(value, list | dict) or value == "":
        return None
    return text_of(value)


def _inside(person: Person, journey: str, key: str) -> Run | None:
    for run in person.runs:
        if run.active and run.journey == journey and run.key == key:
            return run
    return None


def _may_return(turn: Turn, person: Person, live: LiveJourney, key: str) -> bool:
    rule = live.journey.reentry
    past = person.entries.get(live.name)
    last = None if past is None else (past.last if rule.per == "profile" else past.last_by_key.get(key))
    if last is None:
        return True
    return rule.every is not None and turn.now >= last + rule.every


def _held_out(turn: Turn, person: Person, live: LiveJourney) -> bool:
    fixed = turn.choices.held_out(person, live.name)
    if fixed is not None:
        return fixed
    bucket_key = person.profile.bucket_key
    shares = (
        (f"{live.name}/holdout", live.journey.holdout),
        ("global_holdout", turn.catalog.settings.global_holdout),
    )
    return any(
        share and Fraction(split_fraction(salt, bucket_key)) < Fraction(share) for salt, share in shares
    )
