"""Stage: the engine's own rooms on a virtual clock, and what an item of a timeline does to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

import msgspec

from engage.compiled import CompiledProject
from engage.domain.catalog import Catalog
from engage.domain.consent.consent import ConsentState
from engage.domain.delivery.delivery import Channel, Delivery
from engage.domain.fact import Signal, Start
from engage.domain.ids import DeliveryId
from engage.domain.journey.journey import Journey
from engage.domain.profile.person import address_of
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.consent import ConsentDesk, Wish, address_kind
from engage.engine.accept.intake import Intake, Piece, Taken
from engage.engine.accept.requests import forgotten, moved, new_run_id, signalled, started
from engage.engine.canonical.address import normal_address
from engage.engine.canonical.call import Origin
from engage.engine.deliver.rendering import Requests
from engage.engine.publish.publish import Source
from engage.engine.receive import Receiver
from engage.engine.simulate import VirtualClock, World, WorldParts
from engage.ports.channel import Heard
from engage.ports.clock import NoHints
from engage.ports.storage import Store, Transaction
from engage.ports.templating import Renderer
from engage.project.kinds import Kind
from engage.project.scenario import (
    Alias,
    Archive,
    Choices,
    Confirm,
    DeliveryRef,
    Forget,
    Group,
    Identify,
    InboundReply,
    Item,
    MembersChange,
    Page,
    PauseJourney,
    ProviderAnswers,
    Publish,
    ReceiptItem,
    ResumeJourney,
    Screen,
    SignalItem,
    StartJourney,
    SubscribeItem,
    Track,
    UnsubscribeItem,
)
from engage.testing.definitions import Definitions, document_text
from engage.testing.errors import ScenarioError
from engage.testing.links import confirm_address, links_of
from engage.testing.people import FixedChoices, identifier_of, memberships, mint, names_of, profiles_of
from engage.testing.scripted import ScriptedProviders
from engage.testing.watched import WatchedStore
from engage.testing.webhooks import (
    NOTHING,
    PATH,
    CallUnderWay,
    ScriptedWebhook,
    inbound_of,
    receipts_of,
    request_at,
)
from engage.testing.wire import wire_call

SOURCE = "scenario"
"""The write key under which the calls of a scenario come in."""
CALLS = (Identify, Track, Page, Screen, Group, Alias)
HISTORY = (*CALLS, SubscribeItem, UnsubscribeItem, MembersChange, ProviderAnswers)
"""What may stand before the start."""
_STATES: dict[type[Item], str] = {PauseJourney: "paused", ResumeJourney: "active", Archive: "archived"}


@dataclass(frozen=True, kw_only=True)
class Play:
    """What a scenario is played with."""

    definitions: Definitions
    renderer: Renderer
    choices: Choices
    store: Store
    begins: datetime
    start: datetime


class Stage:
    """One world for one scenario. Items are played in order; the clock only moves forward."""

    def __init__(self, play: Play) -> None:
        self._definitions, self.start = play.definitions, play.start
        self.store = WatchedStore(play.store)
        self._clock = VirtualClock(play.begins)
        self.providers = ScriptedProviders(self._clock)
        self._compiled = CompiledProject()
        self.world = World(
            WorldParts(
                store=self.store,
                clock=self._clock,
                catalog_of=self._compiled.catalog_of,
                renderer_of=lambda tx: play.renderer,
                senders=self.providers.senders,
                requests=Requests(links_of),
                mint=mint,
                choices=FixedChoices(play.choices),
            )
        )
        self._started = False
        self._live: set[tuple[str, str]] = set()
        self._numbers = count(1)
        hints, settings, law = NoHints(), play.definitions.settings, play.definitions.law
        self._intake = Intake(self.store, hints)
        self._acceptor = Acceptor(lambda: settings)
        self._desk = ConsentDesk(self.store, hints, lambda: settings)
        self._webhook = ScriptedWebhook()
        self._receiver = Receiver([self._webhook], settings.region, lambda: law)
        self._calls: dict[DeliveryId, CallUnderWay] = {}
        self._publish(play.definitions.before_start())

    def catalog_of(self, tx: Transaction) -> Catalog:
        """Return the catalog that is live in a transaction."""
        return self._compiled.catalog_of(tx)

    def move_to(self, at: datetime) -> None:
        """Let time pass up to `at`, with all the work that falls due; at the start, publish and backfill.

        Raises:
            ScenarioError: the engine could not digest something.
        """
        if not self._started and at >= self.start:
            self.world.run_until(self.start)
            self._started = True
            self._publish(self._definitions.at_start())
        self.world.run_until(at)
        self._refuse_accidents()

    def play(self, items: Sequence[Item]) -> None:
        """Play items of one instant together and let everything follow that they cause.

        Raises:
            ScenarioError: an item asks for what is not there, or for what this engine cannot do.
        """
        calls = [item for item in items if isinstance(item, CALLS)]
        if calls:
            self._take_calls(calls)
        for item in items:
            if not isinstance(item, CALLS):
                self._play_one(item)
        self.world.rest()
        self._refuse_accidents()

    def deliveries(self, tx: Transaction) -> list[Delivery]:
        """Return all deliveries, in the order in which they were asked for."""
        asked = list(self.store.chronicle.deliveries)
        found = tx.deliveries.get(asked)
        return [found[d] for d in asked if d in found and "withdraws" not in found[d].variables]

    def referred(self, tx: Transaction, ref: DeliveryRef, *, called: bool = False) -> Delivery:
        """Return the delivery that an `of:` names; with `called`, without `n` the last one a provider was given.

        Raises:
            ScenarioError: there is none.
        """
        profile = None if ref.to is None else profiles_of(tx, [ref.to]).get(ref.to)
        matching = [
            delivery
            for delivery in self.deliveries(tx)
            if (ref.to is None or delivery.profile == profile)
            and (ref.step is None or delivery.step == ref.step)
            and (ref.journey is None or delivery.journey == ref.journey)
            and (ref.channel is None or delivery.channel is ref.channel)
        ]
        if ref.n is not None:
            matching = matching[ref.n - 1 : ref.n]
        elif called:
            matching = [delivery for delivery in matching if delivery.calls]
        if not matching:
            told = ", ".join(f"{key}: {getattr(ref, key)}" for key in sorted(ref.model_fields_set))
            raise ScenarioError(f"there is no delivery {{{told}}}")
        return matching[-1]

    # --- what items do

    def _take_calls(self, calls: Sequence[Identify | Track | Page | Screen | Group | Alias]) -> None:
        origin = Origin(source=SOURCE, received_at=self.world.now, rules=self._acceptor.rules())
        pieces: list[Piece] = []
        for item in calls:
            taken = self._acceptor.call(b"", wire_call(item, self._number("call")), origin)
            for refused in taken.quarantined:
                raise ScenarioError(f"a call that the API would refuse: {refused.reason} {refused.detail}")
            pieces.extend(taken.pieces)
        self._intake.store(Taken(pieces))

    def _play_one(self, item: Item) -> None:
        if not self._started and not isinstance(item, HISTORY):
            raise ScenarioError(f"`{item.verb}` cannot stand before the start: there is only history then")
        match item:
            case SubscribeItem():
                self._consent(item, ConsentState.SUBSCRIBED)
            case UnsubscribeItem():
                self._consent(item, ConsentState.UNSUBSCRIBED)
            case ReceiptItem():
                self._receipt(item)
            case InboundReply():
                self._inbound(item)
            case ProviderAnswers():
                self._script(item)
            case PauseJourney() | ResumeJourney() | Archive():
                self._set_state(item)
            case Publish():
                self._publish_item(item)
            case MembersChange():
                self._members(item)
            case StartJourney():
                self._start(item)
            case Confirm():
                self._confirm(item)
            case SignalItem():
                self._signal(item)
            case Forget():
                self._forget(item)
            case _:
                raise ScenarioError(f"`{item.verb}` is not supported here")

    def _consent(self, item: SubscribeItem | UnsubscribeItem, state: ConsentState) -> None:
        wish = Wish(
            person=identifier_of(item.person),
            channel=item.channel,
            topic=item.topic,
            state=state,
            source="api",
        )
        self._desk.change([wish], self.world.now)

    def _receipt(self, item: ReceiptItem) -> None:
        with self.store.transaction() as tx:
            delivery = self.referred(tx, item.of, called=True)
        chosen = self._call_of(delivery).hear(item) if delivery.channel is Channel.VOICE else NOTHING
        self._hear(Heard(receipts=receipts_of(item, delivery, chosen=chosen)))

    def _call_of(self, delivery: Delivery) -> CallUnderWay:
        if delivery.id not in self._calls:
            documents = [m.document for m in self.providers.messages() if m.delivery == delivery.id]
            self._calls[delivery.id] = CallUnderWay(documents[-1] if documents else "")
        return self._calls[delivery.id]

    def _inbound(self, item: InboundReply) -> None:
        with self.store.transaction() as tx:
            address = self._address(tx, item.person, item.channel)
            to = item.to if item.to is not None else self._sender_to(tx, address, item.channel)
        message_id = item.message_id or self._number("inbound")
        self._hear(Heard(inbound=(inbound_of(item, address, to, message_id),)))

    def _hear(self, heard: Heard) -> None:
        self._webhook.says = heard
        received = self._receiver.receive(PATH, request_at(self.world.now))
        assert received is not None  # a scripted webhook verifies everything
        self._intake.store(received.taken)

    def _address(self, tx: Transaction, name: str, channel: str) -> str:
        profile_id = profiles_of(tx, [name]).get(name)
        profile = None if profile_id is None else tx.people.lock([profile_id]).get(profile_id)
        address = None if profile is None else address_of(profile, channel)
        if profile is None:
            raise ScenarioError(f"nobody is called {name} so far; an `identify` of theirs comes first")
        if address is None:
            raise ScenarioError(f"{name} has no address on {channel}")
        return normal_address(channel, address, self._definitions.settings.region) or address

    def _sender_to(self, tx: Transaction, address: str, channel: Channel) -> str:
        """Return whom we last wrote as to this address."""
        sent = [d for d in self.deliveries(tx) if d.address == address and d.channel is channel and d.calls]
        return sent[-1].sender or "" if sent else ""

    def _script(self, item: ProviderAnswers) -> None:
        self.providers.script(Channel(item.provider), item.answers)

    def _set_state(self, item: PauseJourney | ResumeJourney | Archive) -> None:
        key = (str(Kind.JOURNEY), item.journey)
        if key not in self._live:
            raise ScenarioError(f"no journey `{item.journey}` is published")
        self.world.publish.set_state(item.journey, _STATES[type(item)])

    def _members(self, item: MembersChange) -> None:
        form = self._definitions.forms.get((str(Kind.AUDIENCE), item.audience))
        if form is None or not getattr(form, "manual", False):
            raise ScenarioError(f"there is no audience `{item.audience}` whose members are put in by hand")
        added, removed = list(item.add), list(item.remove)
        if item.replace is not None or item.clear:
            added += item.replace or ()
            removed += [name for name in self._members_of(item.audience) if name not in added]
        now = self.world.now
        pieces = [
            *moved(item.audience, map(identifier_of, removed), now, member=False),
            *moved(item.audience, map(identifier_of, added), now, member=True),
        ]
        self._intake.store(Taken(pieces))

    def _members_of(self, audience: str) -> list[str]:
        with self.store.transaction() as tx:
            inside = [profile for profile, names in memberships(tx).items() if audience in names]
            return [name for p in tx.people.lock(inside).values() for name in names_of(p)[:1]]

    def _start(self, item: StartJourney) -> None:
        form = self._definitions.forms.get((str(Kind.JOURNEY), item.journey))
        if not isinstance(form, Journey):
            raise ScenarioError(f"there is no journey `{item.journey}`")
        if form.trigger.api is None:
            raise ScenarioError(f"`{item.journey}` has no `api: true`: it cannot be started")
        now = self.world.now
        start = Start(
            message_id=self._number("start"),
            journey=item.journey,
            person=identifier_of(item.person),
            run=new_run_id(now),
            entry=item.entry,
            key=item.key,
        )
        self._intake.store(Taken([started(start, now)]))

    def _signal(self, item: SignalItem) -> None:
        now = self.world.now
        signal = Signal(
            message_id=item.message_id or self._number("signal"),
            event=item.event,
            timestamp=item.timestamp or now,
            properties=item.properties,
            source=SOURCE,
        )
        self._intake.store(Taken([signalled(signal, now)]))

    def _forget(self, item: Forget) -> None:
        with self.store.transaction() as tx:
            self.store.chronicle.forget(profiles_of(tx, [item.person]).values())
        self._intake.store(Taken([forgotten(identifier_of(item.person), self.world.now)]))

    def _confirm(self, item: Confirm) -> None:
        with self.store.transaction() as tx:
            profile = profiles_of(tx, [item.person]).get(item.person)
            mine = {d.id for d in self.deliveries(tx) if d.profile == profile and d.channel is item.channel}
        wanted = confirm_address(item.topic)
        mail = (one for one in reversed(self.providers.messages()) if one.delivery in mine)
        message = next((one for one in mail if wanted in one.body or wanted in one.html), None)
        if message is None:
            missing = f"no message to {item.person} on {item.channel} holds a button for `{item.topic}`"
            needed = f"a mail whose template has `confirm_url('{item.topic}')` has to be sent first"
            raise ScenarioError(f"{missing}; {needed}")
        person = msgspec.structs.replace(
            identifier_of(item.person), kind=address_kind(item.channel), value=message.address
        )
        wish = Wish(
            person=person,
            channel=item.channel,
            topic=item.topic,
            state=ConsentState.SUBSCRIBED,
            source="confirm",
            confirmed=True,
        )
        self._desk.change([wish], self.world.now)

    # --- publishing

    def _publish_item(self, item: Publish) -> None:
        definitions = self._definitions
        if isinstance(item.what, str):
            keys = definitions.named(item.what)
            if not keys:
                raise ScenarioError(f"`publish`: nothing is called `{item.what}`")
            self._publish([definitions.sources[key] for key in keys])
            return
        kind = next(str(kind) for kind in (Kind.JOURNEY, Kind.AUDIENCE, Kind.TRAIT) if kind in item.what)
        source = definitions.add((kind, item.form.name), document_text(item.what), item.form)
        self._publish([source])

    def _publish(self, sources: Sequence[Source]) -> None:
        for source in sources:
            key = (source.kind, source.name)
            self._compiled.keep(*key, source.checksum, self._definitions.forms[key])
            self._live.add(key)
        self.world.publish.publish(sources, whole=False)
        self.world.rest()

    def _number(self, what: str) -> str:
        return f"{what}-{next(self._numbers)}"

    def _refuse_accidents(self) -> None:
        chronicle = self.store.chronicle
        for item in chronicle.quarantined:
            error = chronicle.last_error
            cause = "" if error is None else f"; {type(error).__name__}: {error}"
            told = f"the engine could not digest a fact: {item.reason} ({item.detail}){cause}"
            raise ScenarioError(told) from error
