"""A house for tests: the engine's own rooms over a store in memory, with journeys given as plain documents."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from engage.compiled import CompiledProject
from engage.domain.audience.audience import Audience
from engage.domain.fact import Call, Identifier, Kind, NewFact, Signal, encode
from engage.domain.ids import ProfileId, lane_of
from engage.domain.journey.journey import Journey
from engage.domain.journey.run import Run
from engage.domain.project_settings import ProjectSettings
from engage.engine.deliver.rendering import Requests
from engage.engine.publish.publish import Source
from engage.engine.simulate import VirtualClock, World, WorldParts
from engage.storage.memory import MemoryStore
from engage.templating import compile_templates
from engage.testing.links import links_of
from engage.testing.people import mint
from engage.testing.scripted import ScriptedProviders

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
FORMS: dict[str, Any] = {"journey": Journey, "audience": Audience}


class CrashError(BaseException):
    """The process died."""


class House:
    """One world, its clock and what was published in it."""

    def __init__(
        self,
        start: datetime = START,
        settings: Mapping[str, Any] | None = None,
        *,
        templates_live: bool = False,
    ) -> None:
        self.crash_at: Callable[[str], bool] = lambda _point: False
        self.store = MemoryStore(checkpoint=self._checkpoint)
        self.clock = VirtualClock(start)
        self.compiled = CompiledProject()
        self.providers = ScriptedProviders(self.clock)
        templates, _ = compile_templates([], {})
        self.world = World(
            WorldParts(
                store=self.store,
                clock=self.clock,
                catalog_of=self.compiled.catalog_of,
                renderer_of=self.compiled.renderer_of if templates_live else lambda tx: templates,
                senders=self.providers.senders,
                requests=Requests(links_of),
                mint=mint,
            )
        )
        self._count = 0
        form = ProjectSettings.model_validate({"quiet_hours": "off", **(settings or {})})
        self._keep(Source(kind="settings", name="settings", text="settings"), form)

    def _checkpoint(self, point: str) -> None:
        if self.crash_at(point):
            raise CrashError(point)

    def _keep(self, source: Source, form: object) -> None:
        self.compiled.keep(source.kind, source.name, source.checksum, form)
        self.world.publish.publish([source], whole=False)

    def publish(self, *documents: dict[str, Any]) -> None:
        """Publish documents; nothing is worked off yet."""
        for document in documents:
            kind = next(kind for kind in FORMS if kind in document)
            text = msgspec.json.encode(document).decode()
            self._keep(
                Source(kind=kind, name=document[kind], text=text), FORMS[kind].model_validate(document)
            )

    def identify(self, user: str, **traits: Any) -> None:
        """Store one identify call."""
        self._call(user, Kind.IDENTIFY, traits=traits)

    def track(self, user: str, event: str, *, ago_hours: int = 0, **properties: Any) -> None:
        """Store one track call; it may have happened some time ago."""
        happened = self.clock.now() - timedelta(hours=ago_hours)
        self._call(user, Kind.TRACK, event=event, properties=properties, timestamp=happened)

    def alias(self, user: str, previous: str) -> None:
        """Say that `previous`, so far an own person, is `user`."""
        self._call(user, Kind.ALIAS, previous=Identifier("anonymous_id", previous))

    def signal(self, event: str, message_id: str = "s-1", **properties: Any) -> None:
        """Store one signal."""
        fact = Signal(
            message_id=message_id,
            event=event,
            timestamp=self.clock.now(),
            properties=properties,
            source="test",
        )
        self.add_fact(fact, message_id, lane_of(event))

    def import_history(self, user: str, count: int) -> None:
        """Store events of long ago as an import does."""
        for _ in range(count):
            self._call(user, Kind.TRACK, event="Long Ago", imported=True)

    def person(self, user: str) -> Identifier:
        """Return the identifier of a user."""
        return Identifier("anonymous_id" if user.startswith("anon") else "user_id", user)

    def _call(self, user: str, kind: Kind, **fields: Any) -> None:
        self._count += 1
        name = f"m-{self._count}"
        told = {"timestamp": self.clock.now(), **fields}
        call = Call(kind=kind, message_id=name, identifiers=(self.person(user),), source="test", **told)
        self.add_fact(call, name, lane_of(user))

    def add_fact(self, fact: Any, message_id: str, lane: int) -> None:
        """Store any fact."""
        new = NewFact(
            lane=lane,
            source="test",
            message_id=message_id,
            received_at=self.clock.now(),
            payload=encode(fact),
            live=not getattr(fact, "imported", False),
        )
        self.world.add([new])

    def rest(self) -> None:
        """Work off everything that is due."""
        self.world.rest()

    def sleep_until(self, instant: datetime) -> None:
        """Let nobody work until an instant: downtime."""
        self.clock.move_to(instant)

    def crash_once(self, work: Callable[[], object]) -> None:
        """Do some work that may crash, and forget about it."""
        with suppress(CrashError):
            work()

    def runs(self, journey: str) -> list[Run]:
        """Return the runs of a journey, ended ones too, oldest first."""
        rows = self.store.look().runs.where("journey", journey)
        found = [msgspec.json.decode(row.doc, type=Run) for row in rows]
        return sorted(found, key=lambda run: (run.entered_at, run.id))

    def profiles(self) -> list[ProfileId]:
        """Return everybody."""
        with self.store.transaction() as tx:
            return tx.people.page(None, 10_000)
