"""A whole HTTP face over the store in memory, with a clock that stands still and a provider whose signature is a word."""

import asyncio
import base64
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from engage.api.app import create_app
from engage.api.auth import WriteKeys
from engage.api.deps import ApiDeps
from engage.api.microbatch import MicroBatcher
from engage.domain.access import Scope
from engage.domain.audience.audience import Audience
from engage.domain.catalog import Catalog, LiveJourney
from engage.domain.consent.consent import Consents
from engage.domain.delivery.delivery import Channel, Priority
from engage.domain.fact import Call, Fact, Identifier, decode
from engage.domain.journey.journey import Journey
from engage.domain.project_settings import ProjectSettings
from engage.domain.turn.changes import Quarantined
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.consent import ConsentDesk
from engage.engine.accept.intake import NOBODY, Intake
from engage.engine.access.admit import Admit, FixedTokens
from engage.engine.access.passwords import Cost
from engage.engine.receive import Receiver
from engage.ports.channel import Heard, SignedRequest, Webhook
from engage.ports.reading import Reading
from engage.ports.storage import Store
from engage.storage.memory.reading import MemoryReading
from engage.storage.memory.store import MemoryStore
from engage.storage.postgres import PostgresStore
from engage.storage.postgres.reading import PostgresReading

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SERVER, BROWSER = "server-key", "browser-key"
ADMIN = "admin-token"
SECRETS = ("new secret", "old secret")
SETTINGS = {
    "topics": {
        "newsletter": {"title": "News", "email": "double_opt_in"},
        "promotions": {"title": "Offers", "email": "opt_out", "sms": "opt_in"},
        "orders": {"title": "Orders", "transactional": True},
        "codes": {"title": "Codes", "transactional": True, "urgent": True},
    },
    "identity": {"identifiers": {"loyalty_id": {"limit": 1}}},
}
JOURNEYS = (
    {"journey": "by-api", "trigger": {"api": True}, "steps": [{"wait": "1 day"}]},
    {"journey": "by-event", "trigger": {"event": "Go"}, "steps": [{"wait": "1 day"}]},
)


@dataclass
class StillClock:
    """Shows the same instant until somebody moves it."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def pass_by(self, **duration: float) -> None:
        self.at += timedelta(**duration)


class CrowdedBatcher(MicroBatcher):
    """As many events wait as may."""

    def __init__(self, intake: Intake) -> None:
        super().__init__(intake, max_waiting=0)
        self._events.weight = 1


@dataclass
class Keys:
    """Idempotency keys in a dict."""

    kept: dict[tuple[str, str], tuple[str, str, datetime]] = field(default_factory=dict)

    def claim(self, scope: str, key: str, digest: str, answer: str, now: datetime) -> tuple[str, str]:
        there = self.kept.get((scope, key))
        if there is None or there[2] < now - timedelta(hours=24):
            there = self.kept[scope, key] = (digest, answer, now)
        return there[0], there[1]


@dataclass
class Hinted:
    """Remembers who was told that there is work."""

    lanes: list[set[int]] = field(default_factory=list)
    urgent: list[set[int]] = field(default_factory=list)

    def digest(self, lanes: Iterable[int], *, urgent: bool = False) -> None:
        (self.urgent if urgent else self.lanes).append(set(lanes))

    def deliver(self, work: Iterable[tuple[Channel, Priority]]) -> None:
        raise AssertionError("nobody here releases deliveries")


@dataclass
class SaidBy:
    """A webhook that hears what the test puts in its mouth; its signature is the word `good`."""

    path: str
    heard: Heard = field(default_factory=Heard)
    seen: list[SignedRequest] = field(default_factory=list)

    def verify(self, request: SignedRequest) -> bool:
        self.seen.append(request)
        return request.headers.get("x-signature") == "good"

    def read(self, request: SignedRequest) -> Heard:
        return self.heard


def reading_of(store: Store) -> Reading:
    """What faces read of a store."""
    if isinstance(store, PostgresStore):
        return PostgresReading(store)
    assert isinstance(store, MemoryStore)
    return MemoryReading(store)


class World:
    """The face, its store, and what they hold."""

    def __init__(
        self,
        settings: dict[str, Any] | None = None,
        *,
        store: Store | None = None,
        batcher: type[MicroBatcher] = MicroBatcher,
        open_docs: bool = False,
    ) -> None:
        self.store: Store = store or MemoryStore()
        self.clock = StillClock()
        self.hints = Hinted()
        self.members: list[Sequence[Identifier]] = []
        self.status = SaidBy("acme/status")
        self.inbound = SaidBy("acme/inbound")
        project = ProjectSettings.model_validate(SETTINGS if settings is None else settings)
        journeys = [LiveJourney(Journey.model_validate(each), 1) for each in JOURNEYS]
        audiences = [
            Audience.model_validate({"audience": "beta", "members": "manual"}),
            Audience.model_validate({"audience": "rich", "where": "profile.plan == 'pro'"}),
        ]
        self.catalog = Catalog(settings=project, journeys=journeys, audiences=audiences)
        self.intake = Intake(self.store, self.hints)
        webhooks: list[Webhook] = [self.status, self.inbound]
        self.batcher = batcher(self.intake)
        fixed = {ADMIN: frozenset({Scope.ADMIN}), "reader": frozenset({Scope.PROFILES_READ})}
        self.admit = Admit(self.store, FixedTokens(fixed), Cost(log_n=4, r=1, p=1))
        self.deps = ApiDeps(
            store=self.store,
            reading=reading_of(self.store),
            intake=self.intake,
            acceptor=Acceptor(lambda: project),
            receiver=Receiver(webhooks),
            batcher=self.batcher,
            keys=WriteKeys.of({SERVER: False, BROWSER: True}),
            tokens=self.admit,
            secrets=SECRETS,
            clock=self.clock,
            catalog=lambda: self.catalog,
            idempotency=Keys(),
            desk=ConsentDesk(self.store, self.hints, lambda: project),
            members=lambda _audience: self.members,
            public_url="https://shop.example",
            open_docs=open_docs,
        )
        self.app = create_app(self.deps)

    def facts(self) -> list[Fact]:
        """Everything in the inbox, in order of arrival."""
        with self.store.transaction() as tx:
            rows = [row for lane in tx.inbox.lanes() for row in tx.inbox.read(lane, 10_000)]
        return [decode(row.payload) for row in sorted(rows, key=lambda row: row.seq)]

    def calls(self) -> list[Call]:
        """The Segment calls among them."""
        return [fact for fact in self.facts() if isinstance(fact, Call)]

    def quarantined(self) -> list[Quarantined]:
        """What could not be taken."""
        assert isinstance(self.store, MemoryStore)
        return list(self.store._tables.quarantine.rows.values())

    def reasons(self) -> list[str]:
        """Why."""
        return [str(item.reason) for item in self.quarantined()]

    def consents(self, channel: str, address: str) -> Consents:
        """The ledger's present view of an address."""
        with self.store.transaction() as tx:
            return tx.consents.view([NOBODY], {NOBODY: [(channel, address)]})[NOBODY]


class Client:
    """A caller of the face; each call runs the event loop until it is answered."""

    def __init__(self, world: World, runner: asyncio.Runner) -> None:
        self.runner = runner
        transport = httpx.ASGITransport(app=world.app)
        self.http = httpx.AsyncClient(transport=transport, base_url="https://shop.example")

    def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        return self.runner.run(self.http.request(method, path, **how))

    def get(self, path: str, **how: Any) -> httpx.Response:
        return self.request("GET", path, **how)

    def post(self, path: str, **how: Any) -> httpx.Response:
        return self.request("POST", path, **how)

    def put(self, path: str, **how: Any) -> httpx.Response:
        return self.request("PUT", path, **how)


@contextmanager
def calling(world: World) -> Iterator[Client]:
    """A client of the face, on one event loop."""
    with asyncio.Runner() as runner:
        client = Client(world, runner)
        yield client
        runner.run(client.http.aclose())
        runner.run(world.batcher.close())


def basic(key: str) -> dict[str, str]:
    """The header with which Segment's clients send a write key."""
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def bearer(token: str = ADMIN) -> dict[str, str]:
    """The header with which an API token comes."""
    return {"authorization": f"Bearer {token}"}
