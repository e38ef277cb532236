"""Invariants: what this engine promises, as code on one page, judged from its tables and from what happened outside.

The simulation, the crash matrix and `engage chaos` all ask these same functions, each with evidence of its own.
Every function yields a sentence per breach; a ledger at rest that keeps every promise yields none.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engage.domain.consent.consent import EVERY_TOPIC, family, ledger_key
from engage.domain.delivery.delivery import Channel, Delivery, FailReason, Mark, reached, status_of
from engage.domain.ids import DeliveryId, RunId
from engage.domain.journey.run import Run
from engage.ports.auditing import OPEN, REASONED

PATIENCE = timedelta(minutes=10)
"""Whatever was due longer ago than this when all is at rest, nobody will take up any more."""
HEARD_WITHIN = timedelta(seconds=2)
"""No call starts later than this after the answer to an opt-out; interfaces.md, `chaos`."""
BY_PEOPLE = frozenset({Mark.OPENED, Mark.OPENED_ANY, Mark.CLICKED})
"""What a provider may know nothing of, or not everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What stands in the tables when everything has come to rest."""

    at: datetime
    deliveries: Mapping[DeliveryId, Delivery]
    runs: Mapping[RunId, Run]
    receipts: Mapping[DeliveryId, Collection[Mark]]
    timed: Mapping[RunId, datetime]
    """When the timer of each run that has one is due."""
    events: Mapping[str, int]
    """How often each fact's event stands on somebody's profile, by the id it was sent with."""
    identifiers: Collection[str]
    paused: Collection[str] = ()
    """Journeys."""
    never_lost: Collection[str] = ()
    """Topics that would rather send twice than lose a message."""
    undigested: int = 0
    unfinished: Collection[str] = ()
    """Jobs."""
    quarantined: Collection[str] = ()
    ownerless: Mapping[str, int] = field(default_factory=dict)
    """Rows by table that belong to a profile which is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """One call as the provider saw it begin."""

    delivery: DeliveryId
    channel: Channel
    address: str
    at: datetime
    taken: bool
    told: Collection[Mark] = ()
    """All that the provider's own record says became of what it took, whether we heard of it or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """Somebody forbade sends, and was told at `since` that it is heard; until `until`, if that came."""

    since: datetime
    until: datetime | None = None
    channel: str | None = None
    """None: every channel."""
    address: str | None = None
    topic: str = EVERY_TOPIC
    journey: str | None = None

    def forbids(self, call: ProviderCall, delivery: Delivery) -> bool:
        """Return whether this call should not have begun."""
        return (
            call.at > self.since + HEARD_WITHIN
            and (self.until is None or call.at < self.until)
            and self.channel in (None, family(call.channel))
            and self.address in (None, ledger_key(call.address))
            and self.topic in (EVERY_TOPIC, delivery.topic)
            and self.journey in (None, delivery.journey)
            and not delivery.automatic
        )


@dataclass(slots=True)
class Outside:
    """What clients, people, operators and providers know."""

    told: dict[str, str] = field(default_factory=dict)
    """Events that were answered "accepted", by id, with the name of the person they are about."""
    asked: dict[DeliveryId, str] = field(default_factory=dict)
    """Deliveries asked for by API, likewise."""
    calls: list[ProviderCall] = field(default_factory=list)
    noes: list[No] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    """People who were erased at some time: what they did may be gone."""
    lost_from_sight: set[str] = field(default_factory=set)
    """Their addresses."""
    back: set[str] = field(default_factory=set)
    """Those of them who came again."""

    def taken(self) -> Counter[DeliveryId]:
        """Return how often a provider took each delivery."""
        return Counter(call.delivery for call in self.calls if call.taken)


def breaches(ledger: Ledger, outside: Outside) -> list[str]:
    """Return every promise that was not kept, in words."""
    return [breach for promise in PROMISES for breach in promise(ledger, outside)]


def everything_has_come_to_rest(ledger: Ledger, _: Outside) -> Iterator[str]:
    """Nothing that was accepted still waits to be looked at, and nothing was put aside."""
    if ledger.undigested:
        yield f"{ledger.undigested} facts lie undigested"
    for job in ledger.unfinished:
        yield f"job {job} is not finished"
    for reason in ledger.quarantined:
        yield f"a fact is in quarantine: {reason}"


def nothing_accepted_is_lost_or_counted_twice(ledger: Ledger, outside: Outside) -> Iterator[str]:
    """Every accepted event stands exactly once on a profile, and every send asked for is a delivery."""
    for event, person in outside.told.items():
        times = ledger.events.get(event, 0)
        if times > 1 or (times == 0 and person not in outside.forgotten):
            yield f"event {event} of {person} counts {times} times"
    for delivery, person in outside.asked.items():
        if delivery not in ledger.deliveries and person not in outside.forgotten:
            yield f"delivery {delivery} asked for by API does not exist"


def nobody_gets_anything_twice(ledger: Ledger, outside: Outside) -> Iterator[str]:
    """A provider takes each (run, step, visit) once; a `never_lost` topic may be taken again after an unknown outcome."""
    for delivery_id, times in outside.taken().items():
        delivery = ledger.deliveries.get(delivery_id)
        if times > 1 and (delivery is None or delivery.topic not in ledger.never_lost):
            yield f"delivery {delivery_id} was taken {times} times"
    visits = Counter((d.run, d.step, d.visit) for d in ledger.deliveries.values() if d.run is not None)
    for visit, times in visits.items():
        if times > 1:
            yield f"{times} deliveries for (run, step, visit) {visit}"


def no_is_heard(ledger: Ledger, outside: Outside) -> Iterator[str]:
    """No call begins later than two seconds after the answer to an opt-out, or to an operator's stop or pause."""
    for call in outside.calls:
        delivery = ledger.deliveries.get(call.delivery)
        for no in outside.noes if delivery is not None else ():
            if delivery is not None and no.forbids(call, delivery):
                yield f"a call for {call.delivery} ({delivery.topic}) to {call.address} at {call.at} in spite of {no}"


def nobody_is_stuck(ledger: Ledger, _: Outside) -> Iterator[str]:
    """Every run waits for an instant, for a delivery or for its journey to go on, or has ended and says why."""
    waits = {delivery.run for delivery in ledger.deliveries.values() if delivery.status in OPEN}
    for run in ledger.runs.values():
        if run.active:
            due = ledger.timed.get(run.id)
            if due is None and run.id not in waits and run.journey not in ledger.paused:
                yield f"run {run.id} of {run.journey} waits for nothing at {run.step}"
            if due is not None and due < ledger.at - PATIENCE:
                yield f"run {run.id} of {run.journey} was due at {due} and nobody came"
        elif not run.reason:
            yield f"run {run.id} of {run.journey} ended without a reason"
        elif run.id in ledger.timed:
            yield f"run {run.id} of {run.journey} has ended and still has a timer"
    active = Counter((run.journey, run.profile, run.key) for run in ledger.runs.values() if run.active)
    for place, times in active.items():
        if times > 1:
            yield f"{times} active runs at {place}"


def every_delivery_ends_or_moves(ledger: Ledger, _: Outside) -> Iterator[str]:
    """A delivery has an end and a reason for it, or an instant at which somebody takes it up again."""
    for delivery in ledger.deliveries.values():
        due = delivery.lease_until if delivery.status is Mark.SENDING else delivery.due_at
        if delivery.status in OPEN and (due is None or due < ledger.at - PATIENCE):
            yield f"delivery {delivery.id} is {delivery.status}, due {due}, and nothing will move it"
        if delivery.status in REASONED and not delivery.reason and not delivery.code:
            yield f"delivery {delivery.id} is {delivery.status} and nothing says why"


def a_status_is_a_function_of_facts(ledger: Ledger, _: Outside) -> Iterator[str]:
    """The status of a delivery is what the set of facts about it gives, and no receipt is missing from that set."""
    for delivery in ledger.deliveries.values():
        wanted = status_of(delivery.marks, delivery.channel, delivery.phase)
        if delivery.status is not wanted:
            yield f"delivery {delivery.id} is {delivery.status}, its facts say {wanted}"
        missing = set(ledger.receipts.get(delivery.id, ())) - set(delivery.marks)
        if missing:
            yield f"delivery {delivery.id} lacks {sorted(missing)}"


def we_know_what_was_taken(ledger: Ledger, outside: Outside) -> Iterator[str]:
    """What a provider took is accepted here, or openly given up as unknown; what it never took is not accepted."""
    taken = outside.taken()
    for delivery in ledger.deliveries.values():
        accepted = Mark.ACCEPTED in reached(delivery.marks)
        open_or_unknown = delivery.status in OPEN or delivery.reason == FailReason.UNKNOWN_OUTCOME
        # The answer was lost, and the provider took it only to drop it or to fail with it: that event is all we hear.
        dropped = not {Mark.DROPPED, Mark.FAILED}.isdisjoint(ledger.receipts.get(delivery.id, ()))
        if taken[delivery.id] and not accepted and not dropped and not open_or_unknown:
            yield f"delivery {delivery.id} was taken and is {delivery.status} ({delivery.reason})"
        if accepted and not taken[delivery.id]:
            yield f"delivery {delivery.id} is {delivery.status} and was never taken"


def both_records_agree(ledger: Ledger, outside: Outside) -> Iterator[str]:
    """What a provider took is a delivery of ours, and its end is the one in the provider's record, whatever was lost on the way."""
    told: dict[DeliveryId, list[Collection[Mark]]] = {}
    for call in outside.calls:
        if (
            call.taken
            and call.delivery not in ledger.deliveries
            and call.address not in outside.lost_from_sight
        ):
            yield f"a provider took {call.delivery}, which is no delivery"
        if call.taken and call.told:
            told.setdefault(call.delivery, []).append(call.told)
    for delivery in ledger.deliveries.values():
        # Given up, or found out by an operator: it has no name by which the provider could be asked. Whoever replied got it.
        is_known = delivery.provider_id is not None and Mark.REPLIED not in delivery.marks
        records = told.get(delivery.id, []) if is_known else []
        # Of a message that was taken twice one may have got lost: then the other's end is the end.
        ends = {
            end_of(marks, delivery.channel) for marks in [*records, [m for marks in records for m in marks]]
        }
        end = end_of(delivery.marks, delivery.channel)
        if records and end not in ends:
            yield f"delivery {delivery.id} ended as {end}, the provider says {', '.join(sorted(ends))}"


def end_of(marks: Collection[Mark], channel: Channel) -> Mark:
    """Return what became of a message on its way, whatever people did with it."""
    return status_of(reached(marks) - BY_PEOPLE, channel)


def everything_has_an_owner(ledger: Ledger, outside: Outside) -> Iterator[str]:
    """No row belongs to a profile that is not there, after merges and erasures; who was erased has no name left."""
    for table, rows in ledger.ownerless.items():
        if rows:
            yield f"{rows} rows of {table} belong to nobody"
    for name in sorted((outside.forgotten - outside.back).intersection(ledger.identifiers)):
        yield f"{name} was erased and is still known"


PROMISES = (
    everything_has_come_to_rest,
    nothing_accepted_is_lost_or_counted_twice,
    nobody_gets_anything_twice,
    no_is_heard,
    nobody_is_stuck,
    every_delivery_ends_or_moves,
    a_status_is_a_function_of_facts,
    we_know_what_was_taken,
    both_records_agree,
    everything_has_an_owner,
)
