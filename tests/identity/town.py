"""A town: people of whom calls tell, digested in whatever order, on either store; and what became of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from engage.compiled import CompiledProject
from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.decision import Decision
from engage.domain.fact import Call, Identifier, Kind, NewFact, encode
from engage.domain.ids import ProfileId
from engage.domain.journey.journey import Journey
from engage.domain.profile.profile import Profile
from engage.domain.project_settings import ProjectSettings
from engage.domain.turn.changes import Quarantined
from engage.engine.canonical.call import lane_for
from engage.engine.digest.digest import Digest
from engage.engine.publish.backfill import Backfill
from engage.engine.publish.publish import Publish, Source
from engage.ports.reading import Reading
from engage.ports.storage import Store
from engage.storage.memory import MemoryStore
from engage.storage.memory.reading import MemoryReading
from engage.storage.postgres import PostgresStore
from engage.storage.postgres.reading import PostgresReading

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FORMS: dict[str, Any] = {"journey": Journey, "audience": Audience, "trait": ComputedTrait}


def user(value: str) -> Identifier:
    return Identifier("user_id", value)


def anon(value: str) -> Identifier:
    return Identifier("anonymous_id", value)


def mail(value: str) -> Identifier:
    return Identifier("email", value)


def at(minutes: float) -> datetime:
    """An instant so many minutes before or after noon."""
    return NOON + timedelta(minutes=minutes)


@dataclass(frozen=True, kw_only=True)
class Somebody:
    """What is known of one person."""

    traits: Mapping[str, Any]
    changed: Mapping[str, datetime]
    events: tuple[tuple[str, datetime], ...]
    audiences: frozenset[str]


@cache
def _form(text: bytes) -> tuple[Source, object]:
    """Compile a document once, however many towns live by it."""
    document = msgspec.json.decode(text)
    kind = next(kind for kind in FORMS if kind in document)
    return Source(kind=kind, name=document[kind], text=text.decode()), FORMS[kind].model_validate(document)


class Town:
    """The engine's digest over a store."""

    def __init__(self, store: Store | None = None, settings: Mapping[str, Any] | None = None) -> None:
        self.store = store or MemoryStore()
        self.now = NOON
        self.pace = timedelta()
        """How long after each other calls come in; none: as the items of one batch do."""
        self.compiled = CompiledProject()
        self._publish = Publish(self.store)
        self._backfill = Backfill(self.store, self.compiled.catalog_of, None)
        self.digest = Digest(self.store, self.compiled.catalog_of)
        self._count = 0
        self.settle(settings or {})

    def settle(self, settings: Mapping[str, Any]) -> None:
        """Publish these settings."""
        form = ProjectSettings.model_validate({"quiet_hours": "off", **settings})
        self._keep((Source(kind="settings", name="settings", text=repr(settings)), form))

    def publish(self, *documents: dict[str, Any]) -> None:
        """Publish rules and journeys."""
        self._keep(*(_form(msgspec.json.encode(document)) for document in documents))
        for job in self._backfill.open_jobs():
            while (progress := self._backfill.turn(job, self.now)) is not None and not progress.finished:
                pass

    def publish_source(self, kind: str, name: str, text: str) -> None:
        """Publish a definition by its text alone, as another release of this code may have."""
        self._publish.publish([Source(kind=kind, name=name, text=text)], whole=False)

    def _keep(self, *pairs: tuple[Source, object]) -> None:
        for source, form in pairs:
            self.compiled.keep(source.kind, source.name, source.checksum, form)
        self._publish.publish([source for source, _ in pairs], whole=False)

    def tell(self, *people: Identifier, kind: Kind = Kind.TRACK, **fields: Any) -> str:
        """Have a call come in now, digested by nobody yet; return its message id."""
        self._count += 1
        name = str(fields.pop("message_id", f"m-{self._count}-{people[0].value}"))
        call = Call(
            kind=kind,
            message_id=name,
            timestamp=fields.pop("timestamp", self.now),
            identifiers=people,
            source="test",
            **fields,
        )
        fact = NewFact(
            lane=lane_for(people), source="test", message_id=name, received_at=self.now, payload=encode(call)
        )
        with self.store.transaction() as tx:
            tx.inbox.add([fact])
        self.now += self.pace
        return name

    def identify(self, *people: Identifier, **fields: Any) -> str:
        """Have an identify come in."""
        return self.tell(*people, kind=Kind.IDENTIFY, **fields)

    def alias(self, person: Identifier, previous: str, **fields: Any) -> str:
        """Have an alias come in."""
        return self.tell(person, kind=Kind.ALIAS, previous=anon(previous), **fields)

    def rest(self, lanes: Iterable[int] | None = None, limit: int = 500) -> None:
        """Digest what these lanes have (none: all of them together)."""
        for group in [None] if lanes is None else [[lane] for lane in lanes]:
            while True:
                waiting = self.waiting() if group is None else group
                if not waiting or not self.digest.turn(waiting, self.now, limit).more:
                    break

    def waiting(self) -> list[int]:
        """Return the lanes that have facts."""
        with self.store.transaction() as tx:
            return sorted(tx.inbox.lanes())

    @property
    def reading(self) -> Reading:
        """What faces read."""
        if isinstance(self.store, PostgresStore):
            return PostgresReading(self.store)
        assert isinstance(self.store, MemoryStore)
        return MemoryReading(self.store)

    def whose(self, *people: Identifier) -> list[ProfileId | None]:
        """Return whose these identifiers are."""
        with self.store.transaction() as tx:
            found = tx.people.find(people)
        return [found.get(person) for person in people]

    def profile(self, person: Identifier) -> Profile:
        """Return one person's profile."""
        (key,) = self.whose(person)
        assert key is not None, f"nobody is {person}"
        with self.store.transaction() as tx:
            return tx.people.lock([key])[key]

    def decisions(self, person: Identifier) -> list[Decision]:
        """Return what was decided about somebody, the newest first."""
        (key,) = self.whose(person)
        return [] if key is None else list(self.reading.decisions(key, limit=500).items)

    def dropped(self, person: Identifier) -> list[tuple[str, str | None]]:
        """Return the kinds of identifiers that somebody was not given, with why, sorted."""
        return sorted(
            (decision.values["kind"], decision.reason)
            for decision in self.decisions(person)
            if decision.outcome == "dropped"
        )

    def quarantine(self) -> list[Quarantined]:
        """Return what could not be taken, the newest first."""
        return [kept.fact for kept in self.reading.quarantine(limit=500).items]

    def people(
        self, known: Sequence[Identifier], events: Sequence[str] = ()
    ) -> dict[frozenset[Identifier], Somebody]:
        """Return everybody whom one of these identifiers names, by all that names them."""
        ids = {key for key in self.whose(*known) if key is not None}
        with self.store.transaction() as tx:
            profiles = tx.people.lock(ids)
            history = tx.events.history(ids, dict.fromkeys(events))
            audiences = tx.people.memberships(ids)
        return {
            frozenset(profile.identifiers): Somebody(
                traits=profile.traits,
                changed={name: times.changed for name, times in profile.trait_times.items()},
                events=tuple((event.id, event.timestamp) for event in history.get(key, ())),
                audiences=frozenset(audiences.get(key, ())),
            )
            for key, profile in profiles.items()
        }
