"""A shop whose messages really leave: the engine's rooms over a store in memory, the real SDKs, and the twin on loopback."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from engage.channels.registry import ChannelSettings, build_senders, build_webhooks
from engage.compiled import CompiledProject
from engage.domain.audience.audience import Audience
from engage.domain.consent.consent import family, ledger_key
from engage.domain.delivery.delivery import Delivery
from engage.domain.fact import Call, Identifier, Kind, NewFact, encode
from engage.domain.ids import lane_of
from engage.domain.journey.journey import Journey
from engage.domain.journey.run import Run
from engage.domain.profile.person import address_of
from engage.domain.profile.profile import Event
from engage.domain.project_settings import ProjectSettings
from engage.domain.turn.changes import Quarantined
from engage.engine.accept.intake import Intake
from engage.engine.deliver.calling import call_of
from engage.engine.deliver.rendering import Requests
from engage.engine.publish.publish import Source
from engage.engine.receive import Receiver as WebhookReceiver
from engage.engine.simulate import VirtualClock, World, WorldParts
from engage.ports.channel import Outbound, SignedRequest
from engage.ports.clock import NoHints
from engage.ports.templating import Renderer
from engage.signed_links import LinkMaker
from engage.storage.memory import MemoryStore
from engage.templating import TemplateSource, compile_templates
from engage.testing.people import mint
from tests.sandbox.twin import ACCOUNT, FROM, TOKEN, Hit, Receiver, Twin, receiving, wait_until

FORMS: dict[str, Any] = {"journey": Journey, "audience": Audience}
SETTINGS = ChannelSettings(
    public_url="",
    account_sid=ACCOUNT,
    auth_tokens=(TOKEN,),
    from_number=FROM,
    workspace_sid="WS" + "a" * 32,
    workflows=("sales=WW" + "b" * 32,),
    connect_timeout=timedelta(seconds=2),
    read_timeout=timedelta(seconds=3),
)


class PassingClock(VirtualClock):
    """A clock that runs with the machine's, from an instant of the test's choice, and can be moved on."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._ahead = start - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def machine(self) -> datetime:
        return datetime.now(UTC)

    def move_to(self, instant: datetime) -> None:
        self._ahead += max(instant - self.now(), timedelta(0))


class Shop:
    """One engine, its twin, and the address at which the twin's webhooks come in."""

    def __init__(self, twin: Twin, receiver: Receiver, start: datetime, **settings: Any) -> None:
        self.twin, self.url = twin, receiver.url
        self.store = MemoryStore()
        self.clock = PassingClock(start)
        self._compiled = CompiledProject()
        self._renderer: Renderer
        self._guard = threading.Lock()
        channels = replace(SETTINGS, public_url=receiver.url, twilio_base_url=twin.url, **settings)
        self.senders = build_senders(channels)
        self.world = World(
            WorldParts(
                store=self.store,
                clock=self.clock,
                catalog_of=self._compiled.catalog_of,
                renderer_of=lambda tx: self._renderer,
                senders=self.senders,
                requests=Requests(LinkMaker(receiver.url, ("a secret for links",))),
                mint=mint,
            )
        )
        self._intake = Intake(self.store, NoHints())
        self._webhooks = WebhookReceiver(build_webhooks(channels))
        self._count = 0
        self.refused: list[str] = []
        """Paths of webhooks whose signature was not good."""
        self.settings(quiet_hours="off")
        self.templates({})
        receiver.script = self._answer

    def _answer(self, hit: Hit) -> tuple[int, str, str]:
        path, _, query = hit.path.partition("?")
        request = SignedRequest(
            method=hit.method,
            url=f"{self.url}{hit.path}",
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=hit.headers,
            body=hit.body,
            received_at=self.clock.now(),
        )
        received = self._webhooks.receive(path.removeprefix("/webhooks/"), request)
        if received is None:
            self.refused.append(path)
            return 403, "", "text/plain"
        with self._guard:
            self._intake.store(received.taken)
        return (204, "", "text/plain") if received.twiml is None else (200, received.twiml, "text/xml")

    # --- what is published

    def settings(self, **given: Any) -> None:
        """Replace the project's settings."""
        form = ProjectSettings.model_validate(given)
        self.keep(Source(kind="settings", name="settings", text=str(sorted(given.items()))), form)

    def templates(self, files: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace the templates: name → file stem → content."""
        sources = [
            TemplateSource(
                name=name,
                files={
                    f"{stem}.{_FORM.get(stem, 'txt')}": text
                    for stem, text in kinds.items()
                    if isinstance(text, str)
                },
                meta=kinds.get("meta", {}),
                documents={
                    f"{stem}.yaml": doc
                    for stem, doc in kinds.items()
                    if stem != "meta" and not isinstance(doc, str)
                },
            )
            for name, kinds in files.items()
        ]
        renderer, problems = compile_templates(sources, {}, lambda name: name)
        self.use(renderer)
        assert [problem for problem in problems if not problem.is_warning] == []

    def publish(self, *documents: Mapping[str, Any]) -> None:
        """Publish journeys and audiences."""
        for document in documents:
            kind = next(kind for kind in FORMS if kind in document)
            text = msgspec.json.encode(document, enc_hook=str).decode()
            form = FORMS[kind].model_validate(document)
            self.keep(Source(kind=kind, name=document[kind], text=text), form)

    def use(self, renderer: Renderer) -> None:
        """Replace the templates by ones that are compiled already."""
        self._renderer = renderer

    def keep(self, source: Source, form: object) -> None:
        """Publish a form that is read already."""
        self._compiled.keep(source.kind, source.name, source.checksum, form)
        self.world.publish.publish([source], whole=False)

    # --- what happens

    def identify(self, user: str, **traits: Any) -> None:
        """One identify call."""
        self._call(user, Kind.IDENTIFY, traits=traits)

    def track(self, user: str, event: str, **properties: Any) -> None:
        """One track call."""
        self._call(user, Kind.TRACK, event=event, properties=properties)

    def _call(self, user: str, kind: Kind, **fields: Any) -> None:
        self._count += 1
        call = Call(
            kind=kind,
            message_id=f"m-{self._count}",
            timestamp=self.clock.now(),
            identifiers=(Identifier("user_id", user), *_addresses(fields.get("traits", {}))),
            source="test",
            **fields,
        )
        fact = NewFact(
            lane=lane_of(user),
            source="test",
            message_id=call.message_id,
            received_at=self.clock.now(),
            payload=encode(call),
        )
        with self._guard:
            self.world.add([fact])

    def rest(self) -> None:
        """Work until the engine has nothing to do and the twin nothing to say."""

        def is_quiet() -> bool:
            with self._guard:
                self.world.rest()
            return self.twin.is_quiet() and not self.store.look().inbox.table.rows

        wait_until(is_quiet)

    def play_until(self, instant: datetime) -> None:
        """Let time pass up to `instant`, with everything that falls due, here and at the twin."""
        while True:
            self.rest()
            due = self.world._next_due()  # what the world's own loop asks
            if due is None or due > instant:
                break
            self.clock.move_to(due)
        self.clock.move_to(instant)
        self.rest()

    # --- what came of it

    def deliveries(self) -> list[Delivery]:
        """All deliveries, in the order of asking."""
        found = [
            msgspec.json.decode(row.doc, type=Delivery)
            for row in self.store.look().deliveries.table.rows.values()
        ]
        return sorted(found, key=lambda delivery: (delivery.asked_at, delivery.id))

    def delivery(self) -> Delivery:
        """The only one."""
        (only,) = self.deliveries()
        return only

    def rendered(self, delivery: Delivery) -> Outbound:
        """The call that a delivery to another system is."""
        with self.store.transaction() as tx:
            profile = tx.people.lock([delivery.profile])[delivery.profile]
            return call_of(delivery, profile, self._compiled.catalog_of(tx))

    def runs(self) -> list[Run]:
        """All runs."""
        found = [msgspec.json.decode(row.doc, type=Run) for row in self.store.look().runs.table.rows.values()]
        return sorted(found, key=lambda run: run.id)

    def events(self) -> list[Event]:
        """Everything that happened to anybody, in order."""
        with self.store.transaction() as tx:
            everybody = tx.people.page(None, 10_000)
            kept = tx.events.history(everybody, {"*": None})
        return [event for events in kept.values() for event in events]

    def quarantined(self) -> list[Quarantined]:
        """What was put aside."""
        return list(self.store.look().quarantine.table.rows.values())

    def subscribed(self, channel: str, topic: str) -> bool:
        """Whether the only person there may get this topic on this channel."""
        with self.store.transaction() as tx:
            (profile,) = tx.people.lock(tx.people.page(None, 10)).values()
            catalog = self._compiled.catalog_of(tx)
            address = address_of(profile, channel) or ""
            key = (family(channel), ledger_key(address))
            view = tx.consents.view([profile.id], {profile.id: [key]})[profile.id]
        return view.refusal(channel, address, topic, catalog.settings.policy(channel, topic)) is None

    def counts(self) -> Counter[str]:
        """How often each event happened."""
        return Counter(event.name for event in self.events())


def _addresses(traits: Mapping[str, Any]) -> Iterator[Identifier]:
    """What the way in makes of addresses among traits."""
    for kind in ("email", "phone"):
        if isinstance(traits.get(kind), str):
            yield Identifier(kind, traits[kind])


_FORM = {"email": "html", "voice": "xml"}


@contextmanager
def open_shop(twin: Twin, start: datetime | None = None, **settings: Any) -> Iterator[Shop]:
    """Open a shop on the twin."""
    with receiving() as receiver:
        shop = Shop(twin, receiver, start or datetime.now(UTC), **settings)
        twin.configure(
            inbound_sms_url=f"{receiver.url}/webhooks/twilio/inbound",
            conversations_url=f"{receiver.url}/webhooks/twilio/conversations",
            task_events_url=f"{receiver.url}/webhooks/twilio/tasks",
        )
        yield shop


def steps(*items: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A journey that starts with `Go`."""
    given: Sequence[Mapping[str, Any]] = items
    return {
        "journey": "j",
        "trigger": {"event": "Go"},
        "entry": {"reentry": "always"},
        "steps": list(given),
        **more,
    }
