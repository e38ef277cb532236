"""Given: short ways to make valid rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.fact import Identifier, NewFact
from engage.domain.ids import DeliveryId, EventId, ProfileId, RunId, uuid7
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event, Profile
from engage.domain.turn.changes import Changes, Timer, TimerKind
from engage.ports.storage import Store, StoredDefinition, Transaction

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
LANE = 7
PHASES = frozenset({Mark.QUEUED, Mark.HELD, Mark.SENDING, Mark.UNKNOWN})


def at(seconds: float) -> datetime:
    """Return an instant so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def profile_id(name: str) -> ProfileId:
    """Return the id of a person, derived from a name; ids are not in the order of names."""
    return ProfileId(uuid7(NOON, "profile", name))


def run_id(name: str) -> RunId:
    """Return the id of a run."""
    return RunId(uuid7(NOON, "run", name))


def delivery_id(name: str) -> DeliveryId:
    """Return the id of a delivery."""
    return DeliveryId(uuid7(NOON, "delivery", name))


def profile(name: str, **fields: Any) -> Profile:
    """Return a profile."""
    return Profile(**{"id": profile_id(name), "bucket_key": name, "created_at": NOON, "lane": LANE, **fields})


def email(name: str) -> Identifier:
    """Return a person's e-mail address as an identifier."""
    return Identifier("email", f"{name}@example.org")


def fact(message: str, *, lane: int = LANE, source: str = "key", **fields: Any) -> NewFact:
    """Return a fact for the inbox."""
    values = {"received_at": NOON, "payload": message.encode(), **fields}
    return NewFact(lane=lane, source=source, message_id=message, **values)


def event(owner: str, name: str, after: float = 0, **fields: Any) -> Event:
    """Return an event of a person, so many seconds after noon."""
    values = {
        "id": EventId(f"{owner}-{name}-{after}"),
        "type": "track",
        "timestamp": at(after),
        "received_at": at(after),
        "arrival": 1,
        "properties": {},
        **fields,
    }
    return Event(profile=profile_id(owner), name=name, **values)


def run(owner: str, name: str = "", **fields: Any) -> Run:
    """Return an active run of a person through `welcome`."""
    values = {"journey": "welcome", "version": 1, "entered_at": NOON, "since": NOON, "step": "wait", **fields}
    return Run(id=run_id(name or owner), profile=profile_id(owner), **values)


def delivery(owner: str, name: str = "", *marks: Mark, **fields: Any) -> Delivery:
    """Return a delivery to a person, due at noon, that went through these phases and facts."""
    values = {
        "lane": LANE,
        "channel": Channel.SMS,
        "topic": "news",
        "asked_at": NOON,
        "due_at": NOON,
        **fields,
    }
    made = Delivery(id=delivery_id(name or owner), profile=profile_id(owner), **values)
    for mark in marks:
        if mark in PHASES:
            made.stand(mark, made.due_at)
        else:
            made.add(mark)
    return made


def timer(
    owner: str, ref: str, due: float | None, *, lane: int = LANE, kind: TimerKind = TimerKind.RUN
) -> Timer:
    """Return a timer of a person, due so many seconds after noon."""
    return Timer(
        profile=profile_id(owner), kind=kind, ref=ref, due_at=None if due is None else at(due), lane=lane
    )


def timers(*several: Timer) -> Changes:
    """Return changes that set timers."""
    return Changes(timers={(one.profile, one.kind, one.ref): one for one in several})


def runs(*several: Run) -> Changes:
    """Return changes that write runs."""
    return Changes(runs={one.id: one for one in several})


def people(*names: str) -> Changes:
    """Return changes that create profiles, each with an e-mail address."""
    return Changes(
        profiles={profile_id(name): profile(name) for name in names},
        identifiers=[(email(name), profile_id(name)) for name in names],
    )


def definition(
    name: str = "welcome", version: int = 1, kind: str = "journey", **fields: Any
) -> StoredDefinition:
    """Return a definition."""
    values = {"source": f"journey: {name}", "checksum": f"{name}-{version}", **fields}
    return StoredDefinition(kind=kind, name=name, version=version, **values)


@contextmanager
def failing(store: Store) -> Iterator[Transaction]:
    """Open a transaction that fails at its end, with a ZeroDivisionError."""
    with store.transaction() as tx:
        yield tx
        raise ZeroDivisionError


def write(store: Store, changes: Changes) -> None:
    """Write changes in a transaction of their own."""
    with store.transaction() as tx:
        tx.write(changes)


def save(store: Store, *deliveries: Delivery) -> None:
    """Save deliveries in a transaction of their own."""
    with store.transaction() as tx:
        tx.deliveries.save(deliveries)
