"""Recorded: what really happened to people, as a script to simulate, and how two simulations of it differ."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from engage.domain.consent.consent import ConsentState, ledger_key
from engage.domain.outgoing import call, recorded
from engage.domain.profile.profile import Event, Profile
from engage.engine.replay import Span, histories
from engage.ports.reading import PersonReading, Subscription
from engage.ports.storage import Store
from engage.testing.simulation import Got, Known, Outcome, Recorded, Script

EVER = datetime(1970, 1, 1, tzinfo=UTC)
NOT_SENT = frozenset({"skipped", "failed", "canceled", "queued", "held"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Lived:
    """One person and what happened to them, from the beginning of what is kept."""

    profile: Profile
    events: Sequence[Event]
    consents: Sequence[Subscription]


def lived(store: Store, reading: PersonReading, begins: datetime, ends: datetime) -> Iterator[Lived]:
    """Yield everybody to whom something happened in a span, with all that is kept from before it ended."""
    for profile, events in histories(store, Span(begins=EVER, ends=ends)):
        if any(event.timestamp >= begins for event in events):
            consents = reading.consents(profile.id, addresses_of(profile))
            yield Lived(profile=profile, events=events, consents=consents)


def script_of(people: Iterable[Lived], computed: frozenset[str], begins: datetime, ends: datetime) -> Script:
    """Return a script in which these people live through it again, as they are today: traits, addresses and consents.

    Our own events are left out: whatever is simulated makes its own. `computed` names traits that follow from events.
    """
    calls: list[Recorded] = []
    known: list[Known] = []
    for lived in people:
        profile = lived.profile
        names = {"id": profile.id, **{one.kind: one.value for one in profile.identifiers}}
        traits = {name: value for name, value in profile.traits.items() if name not in computed}
        yes = tuple(
            (consent.channel, consent.topic, consent.state == ConsentState.SUBSCRIBED)
            for consent in lived.consents
            if consent.state != ConsentState.PENDING
        )
        known.append(Known(call("identify", f"who/{profile.id}", begins, names, traits=traits), yes))
        calls += [
            Recorded(event.timestamp, event.arrival, recorded(event, names))
            for event in lived.events
            if event.type in ("track", "page", "screen", "group") and event.timestamp < ends
        ]
    calls.sort(key=lambda one: (one.at, one.line))
    return Script(calls=calls, people=known, begins=begins, ends=ends)


def addresses_of(profile: Profile) -> list[str]:
    """Return the addresses under which consents of a person are kept."""
    return [ledger_key(one.value) for one in profile.identifiers if one.kind in ("email", "phone")]


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """The same message at another time."""

    now: Got
    then: Got


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What would be otherwise. Messages are the same if person, channel and template (or step) are, and the how-manieth."""

    begins: datetime
    ends: datetime
    people: int
    gets: list[Got]
    """Sent by the project, and not by what is live."""
    loses: list[Got]
    """Sent by what is live, and not by the project."""
    moved: list[Moved]
    same: int
    project: Outcome
    live: Outcome | None
    """None: no journey of that name is live."""


def difference(people: int, project: Outcome, live: Outcome | None) -> Difference:
    """Hold two outcomes of one script against each other."""
    ours, theirs = _by_key(project.got), _by_key([] if live is None else live.got)
    both = ours.keys() & theirs.keys()
    moved = [Moved(now=ours[key], then=theirs[key]) for key in both if ours[key].at != theirs[key].at]
    return Difference(
        begins=project.begins,
        ends=project.ends,
        people=people,
        gets=_sorted(ours[key] for key in ours.keys() - both),
        loses=_sorted(theirs[key] for key in theirs.keys() - both),
        moved=sorted(moved, key=lambda one: (one.now.at, one.now.person, one.now.step or "")),
        same=len(both) - len(moved),
        project=project,
        live=live,
    )


_Key = tuple[str, str, str, int]


def _by_key(got: Sequence[Got]) -> Mapping[_Key, Got]:
    count: dict[tuple[str, str, str], int] = defaultdict(int)
    found: dict[_Key, Got] = {}
    for one in _sorted(one for one in got if one.status not in NOT_SENT):
        key = (one.person, one.channel, one.template or one.step or "")
        found[*key, count[key]] = one
        count[key] += 1
    return found


def _sorted(got: Iterable[Got]) -> list[Got]:
    return sorted(got, key=lambda one: (one.at, one.person, one.step or ""))
