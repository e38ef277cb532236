"""Play: the facts and timers of one turn, interleaved by instant, each on its person."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from engage.domain.consent.consent import Consents
from engage.domain.consent.replies import answered_by, answering, on_inbound
from engage.domain.decision import Decided
from engage.domain.delivery.delivery import Channel, Delivery
from engage.domain.delivery.ledger import on_outcome, on_receipt
from engage.domain.fact import (
    Call,
    ConsentGiven,
    Fact,
    Forget,
    Identifier,
    Inbound,
    InboxRow,
    Members,
    Outcome,
    Receipt,
    Send,
    Signal,
    Start,
    Wake,
)
from engage.domain.ids import ProfileId
from engage.domain.journey.resume import catch_up
from engage.domain.profile.identity import Dropped, Mint, attach, create, merge, resolve
from engage.domain.profile.person import Person
from engage.domain.turn.changes import Quarantined, Timer
from engage.domain.turn.handle import on_call, on_consent, on_members, on_send, on_start, on_wake
from engage.domain.turn.react import fire
from engage.domain.turn.turn import Turn

NOBODY = "no_identifier"
"""Why a call about nobody is quarantined."""


def set_aside(row: InboxRow, reason: str, detail: str) -> Quarantined:
    """Return the quarantined form of a fact that digest could not take."""
    return Quarantined(
        source="digest",
        reason=reason,
        detail=detail,
        payload=row.payload,
        received_at=row.received_at,
        lane=row.lane,
    )


@dataclass(slots=True)
class Batch:
    """What a turn holds: its facts in order of arrival, its due timers, and the people they are about."""

    rows: list[tuple[InboxRow, Fact]] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    horizon: datetime | None = None
    """No timer later than this fires in this turn."""
    more: bool = False
    people: dict[ProfileId, Person] = field(default_factory=dict)
    owners: dict[Identifier, ProfileId] = field(default_factory=dict)
    answered: dict[tuple[Channel, str], list[Delivery]] = field(default_factory=dict)
    consents: Consents = field(default_factory=Consents)
    """What the ledger says of every address at hand: shared by all people of the turn, newcomers too."""
    moved: dict[ProfileId, ProfileId] = field(default_factory=dict)
    """Profiles that were merged away in this turn, with the one that was kept."""

    def take_in(self, person: Person) -> None:
        """Take in somebody nobody knew: what the ledger says of an address holds for them as well."""
        person.consents.by_address, person.consents.suppressed = (
            self.consents.by_address,
            self.consents.suppressed,
        )
        self.people[person.id] = person

    def person(self, profile: ProfileId) -> Person | None:
        """Return a person by profile, also after a merge in this turn."""
        while profile in self.moved:
            profile = self.moved[profile]
        return self.people.get(profile)


def play(turn: Turn, batch: Batch, mint: Mint) -> None:
    """Let every fact and timer have its consequences, by instant; a timer due with a fact goes first."""
    clock: list[tuple[datetime, int, Timer]] = []
    order = 0

    def push(timer: Timer) -> None:
        nonlocal order
        if timer.due_at is not None and (batch.horizon is None or timer.due_at <= batch.horizon):
            order += 1
            heapq.heappush(clock, (timer.due_at, order, timer))

    def ring(until: datetime | None) -> None:
        _push_all(turn, push)
        while clock and (until is None or clock[0][0] <= until):
            due, _, timer = heapq.heappop(clock)
            _fire(turn, batch, timer, due)
            _push_all(turn, push)

    _catch_up(turn, batch)
    for timer in batch.timers:
        push(timer)
    latest: datetime | None = None
    for row, fact in batch.rows:
        latest = row.received_at if latest is None else max(latest, row.received_at)
        ring(latest)
        turn.begin(fact_id=_identity(row, fact), now=latest, arrival=row.seq)
        _apply(turn, batch, row, fact, mint)
    ring(batch.horizon)


def _catch_up(turn: Turn, batch: Batch) -> None:
    """What people's runs kept during a pause that is over comes before what is at hand."""
    instants = [row.received_at for row, _ in batch.rows[:1]]
    instants += [timer.due_at for timer in batch.timers[:1] if timer.due_at is not None]
    for person in batch.people.values():
        if any(run.kept for run in person.runs):
            turn.begin(fact_id=f"resume:{person.id}", now=min(instants, default=turn.now), arrival=0)
            catch_up(turn, person)


def _push_all(turn: Turn, push: Callable[[Timer], None]) -> None:
    alarms, turn.alarms = turn.alarms, []
    for timer in alarms:
        push(timer)


def _fire(turn: Turn, batch: Batch, timer: Timer, due: datetime) -> None:
    person = batch.person(timer.profile)
    if person is None or person.timers.get((timer.kind, timer.ref)) != due:
        return
    turn.begin(
        fact_id=f"timer:{timer.profile}:{timer.kind}:{timer.ref}:{due.isoformat()}",
        now=due,
        arrival=turn.arrival,
    )
    fire(turn, person, timer.kind, timer.ref)


def _identity(row: InboxRow, fact: Fact) -> str:
    return (
        fact.message_id if isinstance(fact, Call | Signal | Start | Inbound | Members) else f"inbox:{row.seq}"
    )


def _apply(turn: Turn, batch: Batch, row: InboxRow, fact: Fact, mint: Mint) -> None:
    match fact:
        case Call():
            _call(turn, batch, row, fact, mint)
        case Outcome() | Receipt():
            _about_delivery(turn, batch, fact)
        case Inbound():
            _inbound(turn, batch, fact, mint)
        case Start():
            on_start(turn, _sure(turn, batch, fact.person, mint), fact)
        case Members():
            on_members(turn, _sure(turn, batch, fact.person, mint), fact)
        case Send():
            _send(turn, batch, fact, mint)
        case ConsentGiven():
            if fact.person is not None:
                on_consent(turn, _sure(turn, batch, fact.person, mint), fact)
        case Wake():
            person = batch.person(fact.profile)
            if person is not None:
                on_wake(turn, person, fact)
        case Signal() | Forget():
            pass


def _call(turn: Turn, batch: Batch, row: InboxRow, call: Call, mint: Mint) -> None:
    identifiers, former = list(call.identifiers), None
    if call.previous is not None:
        identifiers.append(call.previous)
        former = Identifier("user_id", call.previous.value)
        if former in batch.owners:
            # Somebody is known by it as a user: two users may be one only where the limit of user_id allows.
            identifiers.append(former)
    found = person_of(
        turn, batch, identifiers, mint, former=former, public=call.browser, message_id=call.message_id
    )
    if found is None:
        turn.changes.quarantined.append(set_aside(row, NOBODY, "every identifier of it is a blocked value"))
        return
    for kind in call.unusable:
        turn.decide(
            found.person, Decided.IDENTITY, "dropped", reason=Dropped.INVALID_VALUE, values={"kind": kind}
        )
    on_call(turn, found.person, call, found.identifiers, found.new)


def _about_delivery(turn: Turn, batch: Batch, fact: Outcome | Receipt) -> None:
    delivery = turn.deliveries.get(fact.delivery)
    if delivery is None:
        return
    person = batch.person(delivery.profile)
    if person is None:
        return
    run = None if delivery.run is None else person.run(delivery.run)
    if isinstance(fact, Outcome):
        # What becomes of our own call is no outside fact: it goes on with the chain that asked for it.
        turn.chain, turn.links = (0, 0) if run is None else (run.chain, run.links)
        on_outcome(turn, person, delivery, fact)
    else:
        on_receipt(turn, person, delivery, fact)


def _inbound(turn: Turn, batch: Batch, inbound: Inbound, mint: Mint) -> None:
    candidates = [
        delivery
        for channel in answering(Channel(inbound.channel))
        for delivery in batch.answered.get((channel, inbound.sender), ())
    ]
    answered = answered_by(turn, batch.person, candidates, inbound)
    person = None if answered is None else batch.person(answered.profile)
    if person is None:
        person = _sure(turn, batch, address_identifier(inbound.channel, inbound.sender), mint)
    on_inbound(turn, person, inbound, answered)


def _send(turn: Turn, batch: Batch, fact: Send, mint: Mint) -> None:
    identifier = fact.person or address_identifier(fact.channel, fact.to or "")
    on_send(turn, _sure(turn, batch, identifier, mint), fact)


def address_identifier(channel: str, address: str) -> Identifier:
    """Return the identifier that an address on a channel is."""
    return Identifier("email" if channel == Channel.EMAIL else "phone", address)


def _sure(turn: Turn, batch: Batch, identifier: Identifier, mint: Mint) -> Person:
    """Return the person of one identifier, made if need be; blocked values identify nobody but here."""
    if identifier.kind == "id":
        known = batch.person(ProfileId(identifier.value))
        if known is not None:
            return known
    found = person_of(turn, batch, [identifier], mint)
    if found is not None:
        person = found.person
        if found.new and identifier.kind in ("email", "phone"):
            # Who wrote to us, or is written to, from an address nobody had can be answered there.
            person.profile.write_traits({identifier.kind: identifier.value}, turn.now)
        return person
    # Nothing leads back to such a person, so each is somebody of their own.
    person = create(turn, [identifier], lambda *_: ProfileId(turn.next_id("nobody")))
    batch.take_in(person)
    return person


@dataclass(slots=True, kw_only=True)
class Found:
    """Whom identifiers name."""

    person: Person
    identifiers: list[Identifier]
    """Those that were not dropped."""
    new: set[str]
    """Kinds of which the person got one more."""


def person_of(
    turn: Turn,
    batch: Batch,
    identifiers: Sequence[Identifier],
    mint: Mint,
    *,
    former: Identifier | None = None,
    public: bool = False,
    message_id: str | None = None,
) -> Found | None:
    """Return the person that identifiers name: found, created or merged. None: they are all blocked."""
    resolution = resolve(
        identifiers,
        batch.owners.get,
        lambda profile_id: batch.people[profile_id].profile,
        turn.catalog.settings.identity,
        former=former,
        public=public,
    )
    if not resolution.identifiers:
        return None
    if resolution.matched:
        person = batch.people[resolution.matched[0]]
        for lost in resolution.matched[1:]:
            _merge(turn, batch, person, lost)
    else:
        person = create(turn, resolution.identifiers, mint)
        batch.take_in(person)
    new = attach(turn, person, resolution.identifiers, message_id)
    for identifier in resolution.identifiers:
        batch.owners[identifier] = person.id
    for identifier, code in resolution.dropped:
        if identifier not in person.profile.identifiers:  # else it was theirs before and still is
            turn.decide(person, Decided.IDENTITY, "dropped", reason=code, values={"kind": identifier.kind})
    return Found(person=person, identifiers=resolution.identifiers, new=new)


def _merge(turn: Turn, batch: Batch, kept: Person, lost: ProfileId) -> None:
    gone = batch.people.pop(lost)
    merge(turn, kept, gone)
    kept.unjudged = True
    batch.moved[lost] = kept.id
    for identifier, owner in batch.owners.items():
        if owner == lost:
            batch.owners[identifier] = kept.id
