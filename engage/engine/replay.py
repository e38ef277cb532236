"""Replay: recorded events go out again to destinations; never a message, and nothing of ours changes."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

import msgspec

from engage.domain.fact import Json
from engage.domain.outgoing import recorded
from engage.domain.profile.profile import Event, Profile
from engage.ports.channel import Accepted, Answer, Busy
from engage.ports.destination import BATCH, Destination, Destinations
from engage.ports.storage import Store

PEOPLE = 200
"""Whose events are read at once."""
ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Which events: by their own time, `begins` inclusive, `ends` exclusive."""

    begins: datetime
    ends: datetime


class Told(msgspec.Struct, kw_only=True):
    """What became of the events at one destination."""

    taken: int = 0
    refused: int = 0
    """It said no for good, and would again."""
    code: str | None = None
    """What it said last when it said no."""


class Replayed(msgspec.Struct, kw_only=True):
    """What a replay did."""

    people: int = 0
    events: int = 0
    destinations: dict[str, Told] = {}

    @property
    def complete(self) -> bool:
        """Whether every destination took everything."""
        return not any(told.refused for told in self.destinations.values())


@dataclass(slots=True)
class Replay:
    """The room. A destination that already had an event knows it by its `messageId`, so that repeating one is safe."""

    store: Store
    destinations: Destinations
    sleep: Callable[[float], None] = field(default=time.sleep)
    progress: Callable[[Replayed], None] = field(default=lambda done: None)

    def run(self, span: Span) -> Replayed:
        """Send every event of the span to every destination, person by person, each person's in order of time."""
        done = Replayed(destinations={name: Told() for name in self.destinations})
        waiting: list[Json] = []
        for profile, events in histories(self.store, span):
            done.people += 1
            done.events += len(events)
            known = {"id": profile.id, **{one.kind: one.value for one in profile.identifiers}}
            for event in events:
                waiting.append(recorded(event, known))
                if len(waiting) == BATCH:
                    self._tell(waiting, done)
                    waiting = []
        if waiting:
            self._tell(waiting, done)
        return done

    def _tell(self, calls: Sequence[Json], done: Replayed) -> None:
        key = sha256("/".join(str(call["messageId"]) for call in calls).encode()).hexdigest()[:32]
        for name, destination in self.destinations.items():
            told = done.destinations[name]
            aimed = [{**call, "integrations": {"All": False, name: True}} for call in calls]
            answer = self._patiently(destination, aimed, f"replay/{key}")
            if isinstance(answer, Accepted):
                told.taken += len(calls)
            else:
                told.refused += len(calls)
                told.code = answer.code
        self.progress(done)

    def _patiently(self, destination: Destination, calls: Sequence[Json], key: str) -> Answer:
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            answer = destination.take(calls, key)
            if not isinstance(answer, Busy) or attempt == ATTEMPTS:
                break
            wished = answer.retry_after
            self.sleep(min(wished.total_seconds() if wished else pause, LONGEST_PAUSE_SECONDS))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return answer


def histories(store: Store, span: Span) -> Iterator[tuple[Profile, list[Event]]]:
    """Yield everybody who has events in a span, with them: read in pages of people, no transaction held between."""
    after = None
    while True:
        with store.transaction() as tx:
            page = tx.people.page(after, PEOPLE)
            found = tx.events.history(page, {"*": span.begins})
            people = tx.people.lock([person for person in page if found[person]])
        for key, profile in people.items():
            events = [event for event in found[key] if event.timestamp < span.ends]
            if events:
                yield profile, events
        if len(page) < PEOPLE:
            return
        after = page[-1]
