"""Whatever is written in whatever order, the store in memory and PostgreSQL answer alike."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage.domain.consent.consent import ConsentEntry, ConsentState, SuppressionEntry
from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import Channel, Delivery, Mark, Priority
from engage.domain.errors import EngageError
from engage.domain.fact import Identifier
from engage.domain.ids import first_id
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Profile
from engage.domain.turn.changes import Changes, MembershipChange, Quarantined, ReceiptRow, Timer, TimerKind
from engage.ports.reading import Page, Reading
from engage.ports.storage import Job, Store, Transaction
from engage.storage.memory import MemoryStore
from engage.storage.memory.reading import MemoryReading
from engage.storage.postgres import PostgresStore
from engage.storage.postgres.reading import PostgresReading
from tests.storage.conftest import empty
from tests.storage.contract import given as make
from tests.storage.contract.given import at, delivery_id, profile_id, run_id

pytestmark = pytest.mark.live

Action = Callable[[Transaction], Any]

PEOPLE = ("ada", "bob", "cyd")
LANES = {"ada": 1, "bob": 2, "cyd": 1}
NAMES = ("Cart Viewed", "Cart", "Bought")
RUNS = {"r1": ("ada", "a"), "r2": ("ada", "a"), "r3": ("bob", "a"), "r4": ("cyd", "b")}
ASKED = {"d1": ("r1", 1), "d2": ("r1", 2), "d3": ("r1", 2), "d4": None, "d5": None}

people = st.sampled_from(PEOPLE)
instants = st.integers(-3, 9).map(at)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
numbers = st.integers(-(2**60), 2**60) | st.decimals(-1000, 1000, places=2)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
documents = st.dictionaries(texts, values, max_size=3)
addresses = st.sampled_from(["+1", "+2", 'a"b\\c,{}@x'])
channels = st.sampled_from([Channel.SMS, Channel.MMS, Channel.EMAIL])
identifiers = st.builds(Identifier, st.sampled_from(["email", "user_id"]), addresses)


@st.composite
def profiles(draw: st.DrawFn, name: str) -> Profile:
    return make.profile(name, lane=LANES[name], traits=draw(documents), merges=draw(st.integers(0, 9)))


@st.composite
def runs(draw: st.DrawFn) -> Run:
    name = draw(st.sampled_from(sorted(RUNS)))
    owner, journey = RUNS[name]
    ended = draw(st.booleans())
    return make.run(
        owner,
        name,
        journey=journey,
        entered_at=at(int(name[1])),
        entry=draw(documents),
        variables=draw(documents),
        goal_until=draw(st.none() | instants),
        goal_at=draw(st.none() | instants),
        visits=draw(st.dictionaries(st.sampled_from(["wait", "hello"]), st.integers(1, 3), max_size=2)),
        ended_at=at(9) if ended else None,
        reason="completed" if ended else None,
    )


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    name = draw(st.sampled_from(sorted(ASKED)))
    asked = ASKED[name]
    made = make.delivery(
        draw(people),
        name,
        channel=draw(channels),
        priority=draw(st.sampled_from(Priority)),
        context=draw(documents),
        address=draw(st.none() | addresses),
        provider_id=draw(st.none() | st.sampled_from(["SM1", "SM2"])),
        accepted_at=draw(st.none() | instants),
        sending_at=draw(st.none() | instants),
        lease="w",
        lease_until=draw(instants),
        run=None if asked is None else run_id(asked[0]),
        step=None if asked is None else "hello",
        visit=1 if asked is None else asked[1],
    )
    made.stand(draw(st.sampled_from(sorted(make.PHASES))), draw(st.none() | instants))
    made.add(
        *draw(
            st.lists(st.sampled_from([Mark.ACCEPTED, Mark.DELIVERED, Mark.FAILED, Mark.SKIPPED]), max_size=2)
        )
    )
    return made


timers = st.builds(
    Timer,
    profile=people.map(profile_id),
    kind=st.sampled_from(TimerKind),
    ref=st.sampled_from(["x", "y"]),
    due_at=st.none() | instants,
    lane=st.sampled_from([1, 2]),
)
events = st.builds(
    lambda owner, name, after: make.event(
        owner, name, after, arrival=after, properties={"n": Decimal(after) / 4}
    ),
    people,
    st.sampled_from(NAMES),
    st.integers(0, 5),
)
memberships = st.builds(
    MembershipChange,
    profile=people.map(profile_id),
    audience=st.sampled_from(["vip", "new"]),
    member=st.booleans(),
    at=instants,
)
consents = st.builds(
    ConsentEntry,
    channel=channels,
    topic=st.sampled_from(["*", "news"]),
    state=st.sampled_from(ConsentState),
    at=instants,
    source=st.just("test"),
    address=st.none() | addresses,
    profile=st.none() | people.map(profile_id),
)
suppressions = st.builds(
    SuppressionEntry,
    channel=channels,
    address=addresses,
    reason=st.sampled_from(["complaint", "hard_bounce"]),
    at=instants,
    source=st.just("test"),
    lifted=st.booleans(),
)
receipts = st.builds(
    ReceiptRow,
    delivery=st.sampled_from(sorted(ASKED)).map(delivery_id),
    profile=people.map(profile_id),
    receipt_id=st.sampled_from(["1", "2"]),
    mark=st.just(Mark.OPENED),
    at=instants,
    data=documents,
)
decisions = st.builds(
    Decision,
    profile=people.map(profile_id),
    at=instants,
    kind=st.sampled_from(Decided),
    outcome=st.just("sent"),
    values=documents,
)
quarantined = st.builds(
    Quarantined,
    source=texts,
    reason=texts,
    detail=texts,
    payload=st.binary(max_size=3),
    received_at=instants,
    lane=st.none() | st.just(1),
)


@st.composite
def changes(draw: st.DrawFn) -> Changes:
    written = draw(st.lists(people, unique=True, max_size=2).map(sorted))
    lost = draw(st.sampled_from([(), (), ("bob",), ("cyd",), ("cyd", "bob")])) if "ada" in written else ()
    merges = [(profile_id(name), profile_id("ada")) for name in lost]
    return Changes(
        profiles={profile_id(name): draw(profiles(name)) for name in written if name not in lost},
        identifiers=draw(
            st.lists(st.tuples(identifiers, people.map(profile_id)), unique_by=lambda x: x[0], max_size=2)
        ),
        events=draw(st.lists(events, max_size=2)),
        memberships=draw(st.lists(memberships, max_size=3)),
        runs={run.id: run for run in draw(st.lists(runs(), max_size=2))},
        timers={(one.profile, one.kind, one.ref): one for one in draw(st.lists(timers, max_size=3))},
        deliveries={one.id: one for one in draw(st.lists(deliveries(), max_size=2))},
        receipts=draw(st.lists(receipts, max_size=2)),
        decisions=draw(st.lists(decisions, max_size=2)),
        consents=draw(st.lists(consents, max_size=3)),
        suppressions=draw(st.lists(suppressions, max_size=2)),
        merges=merges,
        quarantined=draw(st.lists(quarantined, max_size=1)),
    )


def write(some: Changes, tx: Transaction) -> None:
    tx.write(some)


def add(names: list[str], tx: Transaction) -> list[bool]:
    return tx.inbox.add([make.fact(name, lane=len(name)) for name in names])


def remove(lane: int, limit: int, tx: Transaction) -> None:
    tx.inbox.remove([row.seq for row in tx.inbox.read(lane, limit)])


def fail(lane: int, limit: int, tx: Transaction) -> None:
    tx.inbox.failed([row.seq for row in tx.inbox.read(lane, limit)])


def reserve(after: float, spacing: float, wanted: int, tx: Transaction) -> list[datetime]:
    return tx.senders.reserve("s", at(after), spacing, [1] * wanted, 2)


def publish(name: str, version: int, checksum: str, removed: list[tuple[str, str]], tx: Transaction) -> int:
    return tx.definitions.publish([make.definition(name, version, checksum=checksum)], removed)


def set_state(name: str, state: str, tx: Transaction) -> int:
    return tx.definitions.set_state("journey", name, state)


def stop(channel: str, stopped: bool, tx: Transaction) -> int:
    return tx.definitions.stop_sending(channel, stopped)


def work(name: str, done: int, tx: Transaction) -> None:
    tx.jobs.save(Job(name=name, kind="backfill", done=done))


def doing(what: Callable[..., Any], *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Action]:
    """Return actions that still lack their transaction; they print as what they are."""
    return st.builds(partial, st.just(what), *arguments)


journeys = st.sampled_from(["a", "b"])
lanes = st.sampled_from([1, 2])
few = st.integers(0, 2)
actions = st.one_of(
    doing(write, changes()),
    doing(write, changes()),
    doing(write, changes()),
    doing(add, st.lists(st.sampled_from(["m", "n", "oo", "pp"]), max_size=3)),
    doing(remove, lanes, few),
    doing(fail, lanes, few),
    doing(reserve, few, st.sampled_from([0.3, 1.0]), few),
    doing(
        publish,
        journeys,
        st.integers(1, 2),
        st.sampled_from("xy"),
        st.lists(st.tuples(st.just("journey"), journeys), max_size=1),
    ),
    doing(set_state, journeys, st.sampled_from(["paused", "active"])),
    doing(stop, st.sampled_from(["sms", "*"]), st.booleans()),
    doing(work, journeys, few),
)


def done(store: Store, action: Action) -> Any:
    """Return what an action answers in a transaction of its own, or the kind of its error."""
    try:
        with store.transaction() as tx:
            return action(tx)
    except EngageError as error:
        return type(error)


def whole(read: Callable[..., Page[Any]], *about: Any) -> list[Any]:
    """Return a whole list, read in small pages."""
    page = read(*about, None, 2)
    found = list(page.items)
    while page.next is not None:
        page = read(*about, page.next, 2)
        found += page.items
    return found


def everything_shown(reading: Reading, now: datetime) -> dict[str, Any]:
    """Return the answers to all questions of faces. Ids of rows differ where a transaction failed."""
    ids = [profile_id(name) for name in PEOPLE]
    places = ["+1", "+2"]
    journey = reading.journey("a")
    return {
        "survivors": [reading.survivor(one) for one in ids],
        "profiles": [reading.profile(one) for one in ids],
        "audiences": [reading.audiences(one) for one in ids],
        "consents": [
            [(c.channel, c.topic, c.address, c.state, c.at) for c in reading.consents(one, places)]
            for one in ids
        ],
        "suppressions": reading.suppressions(places),
        "runs": [whole(reading.runs, one) for one in ids],
        "deliveries": [whole(reading.deliveries, one) for one in ids],
        "decisions": [whole(reading.decisions, one) for one in ids],
        "events": [whole(reading.events, one) for one in ids],
        "recent": whole(reading.recent_deliveries),
        "unknown": whole(reading.unknown_deliveries),
        "quarantine": [kept.fact for kept in whole(reading.quarantine)],
        "members": [whole(reading.members, audience) for audience in ("vip", "new")],
        "sizes": [reading.audience_size(audience) for audience in ("vip", "new")],
        "journey": journey,
        "totals": reading.totals(),
        "queues": reading.queues(now),
        "lags": reading.lags(now),
        "untimed": reading.untimed(),
        "idle": (reading.is_idle(now), reading.any_delivered()),
        "audit": (reading.audit(), list(reading.refs())),
    }


def everything(store: Store, now: datetime) -> dict[str, Any]:
    """Return the answers to all questions."""
    ids = [profile_id(name) for name in PEOPLE]
    places = [(channel, place) for channel in ("sms", "email") for place in ("+1", "+2")]
    pairs = [(Channel(channel), place) for channel, place in places]
    with store.transaction() as tx:
        names = [
            Identifier(kind, value) for kind in ("email", "user_id") for value in ("+1", "+2", 'a"b\\c,{}@x')
        ]
        return {
            "inbox": [(row.payload, row.attempts) for lane in (1, 2) for row in tx.inbox.read(lane, 9)],
            "lanes": tx.inbox.lanes(),
            "found": tx.people.find(names),
            "people": tx.people.lock(ids),
            "page": (tx.people.page(None, 2), tx.people.page(sorted(ids)[0], 9), tx.people.count()),
            "memberships": tx.people.memberships(ids),
            "history": tx.events.history(ids, {"Cart*": at(2), "Cart": at(4), "Bought": None}),
            "runs": (tx.runs.open(ids, now), tx.runs.completed([run_id("r1"), run_id("r2")])),
            "entries": tx.runs.entries(ids, ["a", "b"]),
            "timers": tx.runs.timers(ids),
            "due": [tx.runs.due(lane, now, 2) for lane in (1, 2)],
            "next": (tx.runs.next_due(), tx.runs.due_lanes(now), tx.deliveries.next_due()),
            "deliveries": tx.deliveries.get([delivery_id(name) for name in ASKED]),
            "waiting": tx.deliveries.waiting([run_id("r1")]),
            "work": tx.deliveries.due_work(now),
            "candidates": [tx.deliveries.candidates(c, p, now, 2) for c in Channel for p in Priority],
            "leases": tx.deliveries.expired_leases(now, 9),
            "unknown": (tx.deliveries.unknown(now, 9), tx.deliveries.overdue_calls(now, 9)),
            "between": tx.deliveries.between(first_id(at(-1)), delivery_id("d"), 9),
            "at": [(tx.deliveries.ids_at(*pair), tx.deliveries.in_doubt_at(*pair)) for pair in pairs],
            "recent": tx.deliveries.recent_to(pairs, now),
            "heard": [(tx.deliveries.heard_of_later(c, now), tx.deliveries.on_the_way(c)) for c in Channel],
            "accepted": tx.deliveries.accepted_since(ids, now),
            "slowness": tx.senders.slowness(["s"]),
            "texted": tx.deliveries.texted(["+1", "+2"]),
            "addressed": tx.deliveries.addressed_before([("news", "+1"), ("news", "+2")]),
            "consents": tx.consents.view(ids, dict.fromkeys(ids, places)),
            "live": (tx.definitions.epoch(), tx.definitions.live(), tx.definitions.last_versions()),
            "versions": tx.definitions.versions([("a", 1), ("b", 2)]),
            "inside": tx.definitions.versions_inside(),
            "stopped": tx.definitions.stopped_channels(),
            "jobs": tx.jobs.unfinished(),
        }


@pytest.fixture(scope="module")
def lone_store(storage_url: str) -> Iterator[PostgresStore]:
    """A store of one connection, made already: a pool that grows meanwhile draws from the same randomness."""
    store = PostgresStore(storage_url, min_size=1, max_size=1)
    with store.transaction() as tx:
        tx.definitions.epoch()
    yield store
    store.close()


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(script=st.lists(actions, min_size=1, max_size=12), seconds=st.integers(-1, 8))
def test_both_stores_answer_alike(
    lone_store: PostgresStore, storage_connection: psycopg.Connection, script: list[Action], seconds: int
) -> None:
    empty(storage_connection)
    memory = MemoryStore()

    for action in script:
        assert done(memory, action) == done(lone_store, action)

    ours, theirs = everything(memory, at(seconds)), everything(lone_store, at(seconds))
    ours |= {
        f"shown {key}": value for key, value in everything_shown(MemoryReading(memory), at(seconds)).items()
    }
    shown = everything_shown(PostgresReading(lone_store), at(seconds))
    theirs |= {f"shown {key}": value for key, value in shown.items()}
    for question, answer in theirs.items():
        assert ours[question] == answer, question
