"""One life of one process that is the whole engine: it goes on where the last one was killed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from engage.channels.registry import build_senders, build_webhooks
from engage.cli.client import Client
from engage.compiled import CompiledProject
from engage.domain.consent.consent import ConsentState
from engage.domain.fact import Identifier, Send
from engage.domain.ids import DeliveryId, uuid7
from engage.domain.project_settings import ProjectSettings
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.consent import ConsentDesk, Wish
from engage.engine.accept.intake import Intake, Taken
from engage.engine.accept.requests import forgotten, sent
from engage.engine.canonical.call import Origin
from engage.engine.deliver.rendering import Requests
from engage.engine.operate import Operate, Operator
from engage.engine.publish.publish import Source
from engage.engine.receive import Receiver
from engage.engine.settle.reconcile import Reconcile
from engage.engine.simulate import VirtualClock, World, WorldParts
from engage.ports.channel import SignedRequest
from engage.ports.clock import NoHints
from engage.providers import channel_settings
from engage.settings import load_settings
from engage.storage.postgres.store import PostgresStore
from engage.testing.links import links_of
from tests.reliability.crash.deeds import AFTERWARDS, LOOKED_BACK, SPAN, Deed, deeds, project
from tests.reliability.crash.points import PointedStore, Points, pointed


class Place(msgspec.Struct, frozen=True):
    """Where lives of one story meet."""

    database: str
    folder: str
    environment: dict[str, str]
    start: datetime

    @property
    def path(self) -> Path:
        return Path(self.folder)


@dataclass
class Life:
    """A process's life, from start or restart to the end of the story, or to the point where it dies."""

    place: Place
    fatal: int
    number: int

    def __post_init__(self) -> None:
        folder = self.place.path
        self.points = Points(folder / f"points-{self.number}", self.fatal)
        self._done = folder / "answered"
        self._instant = folder / "instant"
        self.clock = VirtualClock(self._when())

    def live(self) -> None:
        """Do everything that is left to do."""
        settings = load_settings(self.place.environment, None)
        channels = channel_settings(settings)
        store = PostgresStore(self.place.database, min_size=1, max_size=3)
        self.store = PointedStore(store, self.points)
        self.operate, self.intake = Operate(self.store), Intake(self.store, NoHints())
        rules = ProjectSettings()
        self.acceptor = Acceptor(lambda: rules)
        self.desk = ConsentDesk(self.store, NoHints(), lambda: rules)
        self.receiver = Receiver(build_webhooks(channels))
        compiled, worker = CompiledProject(), f"life-{self.number}"
        senders = {name: pointed(sender, self.points) for name, sender in build_senders(channels).items()}
        self.world = World(
            WorldParts(
                store=self.store,
                clock=self.clock,
                catalog_of=compiled.catalog_of,
                renderer_of=compiled.renderer_of,
                senders=senders,
                requests=Requests(links_of),
                worker=worker,
            )
        )
        self.reconcile = Reconcile(self.store, senders, self.clock, NoHints())
        self._name_rooms()
        with (
            Client(self.place.environment["TWILIO_API_BASE_URL"]) as self.sandbox,
            store.hold_worker_lock(worker),
        ):
            self._play()
        store.close()

    def _play(self) -> None:
        todo = deeds()
        while True:
            self._rest()
            answered = self._answered()
            due = [
                (index, deed)
                for index, deed in enumerate(todo)
                if index not in answered and self._at(deed) <= self.clock.now()
            ]
            for index, deed in due:
                self.points.room = deed.what
                getattr(self, f"_{deed.what}")(deed.about)
                with self._done.open("a") as done:
                    done.write(f"{index}\n")
                self._rest()
            following = self._following([self._at(deed) for i, deed in enumerate(todo) if i not in answered])
            if following is None:
                self._look_back()
                return
            self.clock.move_to(following)
            self._instant.write_text(self.clock.now().isoformat())

    def _look_back(self) -> None:
        """Half a day later, ask for the ends that nobody told."""
        self.clock.move_to(self.place.start + LOOKED_BACK)
        self._instant.write_text(self.clock.now().isoformat())
        while self.reconcile.turn():
            pass
        self._rest()

    def _following(self, deeds_at: list[datetime]) -> datetime | None:
        now = self.clock.now()
        if any(at <= now for at in deeds_at):
            return now
        due = self.world._next_due()
        with self.store._store.session() as session:
            lease = session.one("SELECT min(lease_until) FROM delivery WHERE status = 'sending'")
        times = [*deeds_at, due, None if lease is None else lease + timedelta(milliseconds=1)]
        following = min((at for at in times if at is not None and at > now), default=None)
        return None if following is None or following > self.place.start + SPAN + AFTERWARDS else following

    # --- where this life stands

    def _when(self) -> datetime:
        if self._instant.exists():
            return datetime.fromisoformat(self._instant.read_text() or self.place.start.isoformat())
        return self.place.start

    def _at(self, deed: Deed) -> datetime:
        return self.place.start + timedelta(seconds=deed.after)

    def _answered(self) -> set[int]:
        return set(map(int, self._done.read_text().split())) if self._done.exists() else set()

    def _name_rooms(self) -> None:
        """Have points say which room they are in."""
        for room, verb in (
            (self.world.digest, "turn"),
            (self.world.deliver, "turn"),
            (self.world.settle, "turn"),
            (self.world.backfill, "turn"),
            (self.world.broadcast, "turn"),
            (self.reconcile, "turn"),
        ):
            setattr(room, verb, self._named(type(room).__name__.lower(), getattr(room, verb)))

    def _named(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def named(*args: Any) -> Any:
            self.points.room = name
            return work(*args)

        return named

    def _rest(self) -> None:
        """Work until nothing is due and the provider has told everything it has to tell."""
        while True:
            self.world.rest()
            if not self._hear() and self._told_all():
                return

    def _told_all(self) -> bool:
        for _ in range(200):
            stats = self.sandbox.call("GET", "/_sandbox/stats")
            if not stats["callbacks"]["pending"] and not stats["timers"]:
                return not list((self.place.path / "post").glob("*.json"))
            sleep(0.02)
        raise AssertionError(f"the sandbox never comes to rest: {stats}")

    def _hear(self) -> int:
        """Take in the webhooks that lie in the post; what is not taken in stays there, as a provider repeats it."""
        heard = 0
        for file in sorted((self.place.path / "post").glob("*.json")):
            self.points.room = "receive"
            post = json.loads(file.read_text())
            url = urlsplit(post["url"])
            request = SignedRequest(
                method="POST",
                url=post["url"],
                query=dict(parse_qsl(url.query, keep_blank_values=True)),
                headers=post["headers"],
                body=bytes.fromhex(post["body"]),
                received_at=self.clock.now(),
            )
            received = self.receiver.receive(url.path.removeprefix("/webhooks/"), request)
            assert received is not None, HTTPStatus.FORBIDDEN
            self.intake.store(received.taken)
            file.unlink()
            heard += 1
        return heard

    # --- deeds

    def _publish(self, about: Any) -> None:
        texts = project(self.place.start, moved=about["moved"])
        sources = [Source(kind=kind, name=name, text=text) for (kind, name), text in texts.items()]
        self.operate.publish(sources, Operator("test", self.clock.now()))

    def _call(self, about: Any, *, imported: bool = False) -> None:
        body = {**about, "timestamp": self.place.start.isoformat()}
        if imported:
            body["timestamp"] = (self.place.start - timedelta(days=2)).isoformat()
        origin = Origin(
            source="test", received_at=self.clock.now(), imported=imported, rules=self.acceptor.rules()
        )
        taken = self.acceptor.call(b"", body, origin)
        assert not taken.quarantined, taken.quarantined
        self.intake.store(taken)

    def _import(self, about: Any) -> None:
        self._call(about, imported=True)

    def _no(self, about: Any) -> None:
        wish = Wish(
            person=Identifier("email", about["address"]),
            channel="email",
            topic="offers",
            state=ConsentState.UNSUBSCRIBED,
            source="test",
        )
        self.desk.change([wish], self.clock.now())

    def _send(self, about: Any) -> None:
        fact = Send(
            message_id="send",
            delivery=asked_for(self.place.start),
            channel="sms",
            person=Identifier("user_id", about["person"]),
            text="Your code",
            topic="codes",
        )
        self.intake.store(Taken((sent(fact, self.clock.now()),)))

    def _stop(self, about: Any) -> None:
        body = {"channel": "sms", "from": about["from"], "to": "+15005550006", "body": "STOP", "id": "SMstop"}
        self.sandbox.call("POST", "/_sandbox/inbound", body)

    def _forget(self, about: Any) -> None:
        fact = forgotten(Identifier("user_id", about["person"]), self.clock.now())
        self.intake.store(Taken((fact,)))


def asked_for(start: datetime) -> DeliveryId:
    return DeliveryId(uuid7(start.astimezone(UTC), "asked"))
