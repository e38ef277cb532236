"""Simulation: recorded calls played through the real rooms on a virtual clock — who would get what, and when."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import msgspec

from engage.compiled import CompiledProject, sources_of
from engage.domain.consent.consent import ConsentState
from engage.domain.delivery.delivery import REACHING, Delivery, Mark
from engage.domain.fact import Identifier
from engage.domain.journey.journey import Journey
from engage.domain.profile.profile import Profile
from engage.domain.steps.flow import Start
from engage.domain.timing import parse_instant_text
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.consent import ConsentDesk, Wish
from engage.engine.accept.intake import Intake
from engage.engine.canonical.call import Origin, Refused, read_item
from engage.engine.canonical.split import MAX_BODY
from engage.engine.deliver.rendering import Requests
from engage.engine.simulate import VirtualClock, World, WorldParts
from engage.ports.clock import NoHints
from engage.ports.reading import Page
from engage.project.load import Project
from engage.storage.memory import MemoryStore
from engage.storage.memory.reading import MemoryReading
from engage.testing.links import links_of
from engage.testing.people import mint
from engage.testing.scripted import ScriptedProviders

Item = TypeVar("Item")
SOURCE = "simulation"
AFTERWARDS = timedelta(days=30)
"""How long to go on after the last event when nobody says."""
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Whatever begins to wait by then still has an end that a date can name."""
_KINDS = ("identify", "track", "page", "screen", "group", "alias")


class UnplayableError(Exception):
    """A line of the file is no call; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded call, at the instant it happened."""

    at: datetime
    line: int
    call: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody who is there from the start: identifiers and traits as an `identify`, and what they allowed."""

    call: Mapping[str, Any]
    consents: tuple[tuple[str, str, bool], ...] = ()
    """(channel, topic, yes)."""


class Got(msgspec.Struct, frozen=True, kw_only=True):
    """What one person would get, or would not, and why."""

    at: datetime
    person: str
    channel: str
    template: str | None
    journey: str | None
    step: str | None
    status: str
    reason: str | None = None
    rule: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulation came to."""

    journey: str
    begins: datetime
    ends: datetime
    entered: int
    active: int
    ended: dict[str, int]
    goals: int
    refused: dict[str, int]
    """Entries refused, by reason."""
    got: list[Got] = []
    days: dict[str, dict[str, int]] = {}
    """Messages sent per day (in the project's zone) and channel."""
    totals: dict[str, dict[str, int]] = {}
    """By channel: `sent`, and every reason for which something was not."""


@dataclass(slots=True)
class Script:
    """What is played, in order of time."""

    calls: Sequence[Recorded]
    people: Sequence[Known] = ()
    begins: datetime | None = None
    """Earlier events are history: they happened, and start nothing."""
    ends: datetime | None = None
    progress: Callable[[int, int], None] = field(default=lambda done, total: None)


def read_calls(lines: Iterable[bytes]) -> list[Recorded]:
    """Read JSON lines of Segment call bodies, sorted by `timestamp`; a batch body stands for its items.

    Raises:
        UnplayableError: a line is no call, or has no `timestamp`.
    """
    found: list[Recorded] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            found.extend(_recorded(_object(line, number), number))
    return sorted(found, key=lambda recorded: (recorded.at, recorded.line))


def read_people(lines: Iterable[bytes]) -> list[Known]:
    """Read JSON lines of profiles: `identify` bodies, beside them `consents: {channel: {topic: true}}`.

    Raises:
        UnplayableError: a line is no object.
    """
    found: list[Known] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            body = _object(line, number)
            consents = body.pop("consents", {})
            if not isinstance(consents, dict) or not all(
                isinstance(topics, dict) for topics in consents.values()
            ):
                raise UnplayableError(f"line {number}: `consents` is {{channel: {{topic: true}}}}")
            if unknown := set(consents).difference(REACHING):
                raise UnplayableError(f"line {number}: `consents`: no channel is called {min(unknown)!r}")
            told = tuple(
                (channel, topic, bool(yes))
                for channel, topics in consents.items()
                for topic, yes in topics.items()
            )
            found.append(Known({**body, "type": "identify", "messageId": f"profile-{number}"}, told))
    return found


def _object(line: bytes, number: int) -> dict[str, Any]:
    body = read_item(line, MAX_BODY)
    if isinstance(body, Refused):
        raise UnplayableError(f"line {number}: {body.detail}")
    if not isinstance(body, dict):
        raise UnplayableError(f"line {number}: a call is a JSON object")
    return body


def _recorded(body: dict[str, Any], number: int) -> Iterator[Recorded]:
    items = body.get("batch")
    if isinstance(items, list):
        for index, item in enumerate(items):
            if isinstance(item, dict):
                yield from _recorded({"messageId": f"line-{number}-{index}", **item}, number)
        return
    kind = body.get("type")
    if kind is None and "event" in body:
        kind = "track"
    if kind not in _KINDS:
        raise UnplayableError(f"line {number}: `type` is one of {', '.join(_KINDS)}")
    written = body.get("timestamp") or body.get("originalTimestamp")
    at = parse_instant_text(written) if isinstance(written, str) else None
    if at is None:
        raise UnplayableError(
            f"line {number}: a recorded call needs a `timestamp` (ISO 8601, with an offset)"
        )
    yield Recorded(at.astimezone(UTC), number, {"messageId": f"line-{number}", **body, "type": kind})


def simulate(project: Project, journey: str, script: Script) -> Outcome:
    """Play a script on one journey of a project (and those it starts) and return what came of it.

    Providers take everything and report nothing; splits and holdouts fall as in production. The same script always
    gives the same outcome.

    Raises:
        UnplayableError: there is nothing to play, or a call would be refused by the API.
    """
    return _Play(project, journey, script).run()


class _Play:
    def __init__(self, project: Project, journey: str, script: Script) -> None:
        if not script.calls and script.begins is None:
            raise UnplayableError("there are no events, and nothing says when to begin")
        self._project, self._journey, self._script = project, journey, script
        self._begins = script.begins or script.calls[0].at
        last = script.calls[-1].at if script.calls else self._begins
        if max(last, self._begins, script.ends or last) > LATEST:
            raise UnplayableError(f"nothing is played beyond the year {LATEST.year}")
        self._ends = script.ends or max(last, self._begins) + AFTERWARDS
        self._store = MemoryStore()
        first = min([self._begins, *(recorded.at for recorded in script.calls[:1])])
        self._clock = VirtualClock(first)
        compiled = CompiledProject()
        self._world = World(
            WorldParts(
                store=self._store,
                clock=self._clock,
                catalog_of=compiled.catalog_of,
                renderer_of=compiled.renderer_of,
                senders=ScriptedProviders(self._clock).senders,
                requests=Requests(links_of),
                mint=mint,
            )
        )
        self._intake = Intake(self._store, NoHints())
        self._acceptor = Acceptor(lambda: project.settings)
        self._desk = ConsentDesk(self._store, NoHints(), lambda: project.settings)

    def run(self) -> Outcome:
        calls = [recorded for recorded in self._script.calls if recorded.at <= self._ends]
        for known in self._script.people:
            self._know(known)
        for done, recorded in enumerate(calls, start=1):
            if recorded.at >= self._begins and not self._is_live():
                self._go_live()
            self._world.run_until(recorded.at)
            self._take(recorded.call, f"line {recorded.line}")
            self._world.rest()
            self._script.progress(done, len(calls))
        if not self._is_live():
            self._go_live()
        self._world.run_until(self._ends)
        return self._outcome()

    def _is_live(self) -> bool:
        with self._store.transaction() as tx:
            return tx.definitions.epoch() > 0

    def _go_live(self) -> None:
        self._world.run_until(self._begins)
        wanted = journeys_started_by(self._project.journeys, self._journey)
        sources = [s for s in sources_of(self._project) if s.kind != "journey" or s.name in wanted]
        self._world.publish.publish(sources)
        self._world.rest()

    def _know(self, known: Known) -> None:
        self._take(known.call, "a profile")
        self._world.rest()
        wishes = [
            Wish(
                person=_identifier(known.call),
                channel=channel,
                topic=topic,
                state=ConsentState.SUBSCRIBED if yes else ConsentState.UNSUBSCRIBED,
                source=SOURCE,
                confirmed=True,
            )
            for channel, topic, yes in known.consents
        ]
        if wishes:
            self._desk.change(wishes, self._clock.now())
            self._world.rest()

    def _take(self, call: Mapping[str, Any], where: str) -> None:
        origin = Origin(source=SOURCE, received_at=self._clock.now(), rules=self._acceptor.rules())
        taken = self._acceptor.call(b"", dict(call), origin)
        for refused in taken.quarantined:
            raise UnplayableError(f"{where} would be refused: {refused.reason} {refused.detail}")
        self._intake.store(taken)

    # --- what came of it

    def _outcome(self) -> Outcome:
        reading = MemoryReading(self._store)
        numbers = reading.journey(self._journey)
        zone = self._project.settings.zone
        got: list[Got] = []
        refused: Counter[str] = Counter()
        for profile in self._everybody():
            name = _name(profile)
            got += [_got(seen.delivery, name) for seen in _pages(partial(reading.deliveries, profile.id))]
            for decision in _pages(partial(reading.decisions, profile.id)):
                if (
                    decision.kind == "entry"
                    and decision.outcome == "refused"
                    and decision.journey == self._journey
                ):
                    refused[decision.reason or ""] += 1
        got.sort(key=lambda one: (one.at, one.person, one.step or ""))
        days: dict[str, dict[str, int]] = {}
        totals: dict[str, dict[str, int]] = {}
        for one in got:
            key = (
                "sent"
                if one.status not in ("skipped", "failed", "canceled", "queued", "held")
                else one.reason or one.status
            )
            counts = totals.setdefault(one.channel, {})
            counts[key] = counts.get(key, 0) + 1
            if key == "sent":
                day = days.setdefault(one.at.astimezone(zone).date().isoformat(), {})
                day[one.channel] = day.get(one.channel, 0) + 1
        return Outcome(
            journey=self._journey,
            begins=self._begins,
            ends=self._ends,
            entered=sum(numbers.active.values()) + sum(numbers.ended.values()),
            active=sum(numbers.active.values()),
            ended=numbers.ended,
            goals=numbers.goals,
            refused=dict(refused),
            got=got,
            days=days,
            totals=totals,
        )

    def _everybody(self) -> Iterator[Profile]:
        after = None
        while True:
            with self._store.transaction() as tx:
                page = tx.people.page(after, 1_000)
                people = tx.people.lock(page)
            yield from people.values()
            if len(page) < 1_000:
                return
            after = page[-1]


def journeys_started_by(journeys: Mapping[str, Journey], name: str) -> set[str]:
    """Return a journey and all that it starts, directly or not."""
    found: set[str] = set()
    todo = [name]
    while todo:
        journey = todo.pop()
        if journey in found or journey not in journeys:
            continue
        found.add(journey)
        steps = [node.step for node in journeys[journey].program.walk()]
        todo += [step.start.journey for step in steps if isinstance(step, Start)]
    return found


def _pages(read: Callable[[str | None], Page[Item]]) -> Iterator[Item]:
    after: str | None = None
    while True:
        page = read(after)
        yield from page.items
        after = page.next
        if after is None:
            return


def _identifier(call: Mapping[str, Any]) -> Identifier:
    user, anonymous = call.get("userId"), call.get("anonymousId")
    return Identifier("user_id", str(user)) if user else Identifier("anonymous_id", str(anonymous))


def _name(profile: Profile) -> str:
    for kind in ("user_id", "email", "phone", "anonymous_id"):
        value = profile.identifier(kind)
        if value is not None:
            return value
    return profile.id


def _got(delivery: Delivery, person: str) -> Got:
    return Got(
        at=delivery.accepted_at or delivery.asked_at,
        person=person,
        channel=str(delivery.channel),
        template=delivery.template,
        journey=delivery.journey,
        step=delivery.step,
        status=str(delivery.status),
        reason=delivery.reason if delivery.status is not Mark.ACCEPTED else None,
        rule=delivery.rule if delivery.status is not Mark.ACCEPTED else None,
    )
