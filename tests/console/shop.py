"""A shop with one customer, seen through the console over the store in memory."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from engage.console.app import create_console
from engage.console.deps import ConsoleDeps
from engage.domain.audience.audience import Audience
from engage.domain.catalog import Catalog, LiveJourney
from engage.domain.consent.consent import ConsentEntry, ConsentState, SuppressionEntry
from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.fact import Identifier
from engage.domain.ids import DeliveryId, EventId, ProfileId, RunId, uuid7
from engage.domain.journey.journey import Journey
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event, Profile
from engage.domain.project_settings import ProjectSettings
from engage.domain.turn.changes import Changes, MembershipChange, Quarantined, ReceiptRow
from engage.engine.access.admit import Admit, FixedTokens
from engage.engine.access.passwords import Cost
from engage.ports.reading import Reading
from engage.storage.memory.reading import MemoryReading
from engage.storage.memory.store import MemoryStore

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
ADA = ProfileId(uuid7(NOON, "ada"))
RUN = RunId(uuid7(NOON, "run"))
NUDGE = DeliveryId(uuid7(NOON, "nudge"))
TEXT = DeliveryId(uuid7(NOON, "text"))
TOKEN = "a good token"
CHEAP = Cost(log_n=4, r=1, p=1)
"""Tests guess often."""
JOURNEY = {
    "journey": "abandoned-cart",
    "title": "Abandoned cart",
    "topic": "promotions",
    "trigger": {"event": "Cart Updated"},
    "goal": {"event": "Order Completed"},
    "steps": [
        {"wait": "1 hour"},
        {"email": "cart/reminder", "id": "nudge"},
        {"branch": [{"if": "entry.total > 100", "then": [{"sms": "cart/nudge", "id": "text"}]}]},
        {"wait": "2 days"},
    ],
}
AUDIENCES = (
    {"audience": "vip", "description": "Bought often.", "where": "count('Order Completed') > 2"},
    {"audience": "beta", "members": "manual"},
)


def after(hours: float) -> datetime:
    """Return an instant so many hours after noon."""
    return NOON + timedelta(hours=hours)


@dataclass
class StillClock:
    """Shows the same instant until somebody moves it."""

    at: datetime = field(default=after(30))

    def now(self) -> datetime:
        return self.at


class Shop:
    """The store and its console."""

    def __init__(
        self, *, public: bool = True, reading: Reading | None = None, store: MemoryStore | None = None
    ) -> None:
        self.store = store or MemoryStore()
        self.clock = StillClock()
        self.doors = Admit(self.store, FixedTokens.admins([TOKEN]), CHEAP)
        settings = ProjectSettings.model_validate(
            {"sensitive": ["Passcode Requested.passcode", "profile.pin"]}
        )
        self.catalog = Catalog(
            settings=settings,
            journeys=[LiveJourney(Journey.model_validate(JOURNEY), 1)],
            audiences=[Audience.model_validate(one) for one in AUDIENCES],
            stopped=frozenset(),
        )
        self.reading: Reading = reading or MemoryReading(self.store)
        deps = ConsoleDeps(
            reading=self.reading,
            catalog=lambda: self.catalog,
            clock=self.clock,
            doors=self.doors,
            secrets=("new secret", "old secret"),
            public=public,
        )
        self.app = Starlette(routes=[Mount("/console", create_console(deps))])

    async def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Ask for one page."""
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            return await client.request(method, f"/console{path}", **how)

    def write(self, changes: Changes) -> None:
        """Write into the store."""
        with self.store.transaction() as tx:
            tx.write(changes)

    def fill(self) -> "Shop":
        """Let Ada be half way through her journey."""
        self.write(
            Changes(
                profiles={
                    ADA: Profile(
                        id=ADA,
                        bucket_key="ada",
                        created_at=NOON,
                        lane=3,
                        traits={"name": "Ada <b>Lovelace</b>", "pin": "4711"},
                    )
                },
                identifiers=[
                    (Identifier("user_id", "ada"), ADA),
                    (Identifier("email", "ada@shop.example"), ADA),
                    (Identifier("phone", "+14155550100"), ADA),
                ],
                events=[
                    event("Cart Updated", 0, total=136),
                    event("Passcode Requested", 0.5, passcode="123456"),
                    event("Journey Entered", 0, kind="engine", journey="abandoned-cart"),
                ],
                memberships=[MembershipChange(profile=ADA, audience="vip", member=True, at=NOON)],
                runs={
                    RUN: Run(
                        id=RUN,
                        profile=ADA,
                        journey="abandoned-cart",
                        version=1,
                        entered_at=NOON,
                        since=NOON,
                        step="3",
                        due_at=after(49),
                        visits={"nudge": 1, "text": 1},
                    )
                },
                deliveries={each.id: each for each in (nudge(), text())},
                receipts=[
                    receipt("r1", Mark.DELIVERED, 1.1),
                    receipt("r2", Mark.CLICKED, 1.5, {"url": "https://shop.example/cart"}),
                ],
                decisions=[
                    decided(Decided.ENTRY, "entered", 0),
                    decided(Decided.STEP, "waits", 0, step="0", values={"until": after(1).isoformat()}),
                    decided(Decided.SEND, "accepted", 1, delivery=NUDGE),
                    decided(
                        Decided.STEP,
                        "true",
                        1.5,
                        step="2",
                        values={"if": "entry.total > 100", "entry.total": 136},
                    ),
                    decided(Decided.ENTRY, "refused", 2, reason="already_inside"),
                ],
                consents=[
                    ConsentEntry(
                        channel="email",
                        topic="promotions",
                        state=ConsentState.SUBSCRIBED,
                        at=NOON,
                        source="checkout",
                        address="ada@shop.example",
                        profile=ADA,
                    )
                ],
                suppressions=[
                    SuppressionEntry(
                        channel="sms", address="+14155550100", reason="bounced", at=NOON, source="provider"
                    )
                ],
            )
        )
        with self.store.transaction() as tx:
            tx.inbox.quarantine(
                [
                    Quarantined(
                        source="key:1",
                        reason="malformed_json",
                        detail="it ends early",
                        payload=b"{",
                        received_at=NOON,
                    )
                ]
            )
        return self


def nudge() -> Delivery:
    """Return the mail that Ada clicked in."""
    made = Delivery(
        id=NUDGE,
        profile=ADA,
        lane=3,
        channel=Channel.EMAIL,
        topic="promotions",
        template="cart/reminder",
        run=RUN,
        journey="abandoned-cart",
        version=1,
        step="nudge",
        asked_at=after(1),
        due_at=None,
        accepted_at=after(1.01),
        address="ada@shop.example",
        provider="acme",
    )
    made.add(Mark.ACCEPTED, Mark.DELIVERED, Mark.CLICKED)
    return made


def text() -> Delivery:
    """Return the SMS she did not get."""
    made = Delivery(
        id=TEXT,
        profile=ADA,
        lane=3,
        channel=Channel.SMS,
        topic="promotions",
        template="cart/nudge",
        run=RUN,
        journey="abandoned-cart",
        version=1,
        step="text",
        asked_at=after(1.5),
        due_at=None,
        reason="not_opted_in",
    )
    made.add(Mark.SKIPPED)
    return made


def event(name: str, hours: float, kind: str = "track", **properties: Any) -> Event:
    """Return an event of Ada's."""
    return Event(
        id=EventId(f"{name}-{hours}"),
        profile=ADA,
        name=name,
        type=kind,
        timestamp=after(hours),
        received_at=after(hours),
        arrival=int(hours * 100),
        properties=properties,
    )


def decided(kind: Decided, outcome: str, hours: float, **fields: Any) -> Decision:
    """Return a decision about Ada."""
    return Decision(
        profile=ADA, at=after(hours), kind=kind, outcome=outcome, journey="abandoned-cart", run=RUN, **fields
    )


def receipt(name: str, mark: Mark, hours: float, data: dict[str, Any] | None = None) -> ReceiptRow:
    """Return what the provider told about the mail."""
    return ReceiptRow(
        delivery=NUDGE,
        profile=ADA,
        receipt_id=name,
        mark=mark,
        at=after(hours),
        provider="acme",
        data=data or {},
    )
