"""Order is promised per identifier, and nothing ever deadlocks, however many workers share the lanes."""

import random
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engage.clocks import SystemClock
from engage.compiled import CompiledProject
from engage.domain.delivery.delivery import Channel, Priority
from engage.domain.errors import IdentityRaceError
from engage.domain.fact import Call, Identifier, Kind, NewFact, Receipt, encode
from engage.domain.ids import LANES, DeliveryId, lane_of
from engage.engine.deliver.deliver import Deliver
from engage.engine.deliver.rendering import Requests
from engage.engine.digest.digest import Digest
from engage.engine.publish.publish import Publish
from engage.ports.channel import Accepted, Answer, CannotSay, Outbound, Question
from engage.ports.clock import NoHints
from engage.ports.storage import StorageBusyError
from engage.settings import Settings
from engage.signed_links import links_of
from engage.storage.migrations.apply import migrate
from engage.storage.postgres.store import PostgresStore
from tests.live.stack import as_source, eventually, running_stack, send_surely
from tests.storage.conftest import create_database

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]

FACTS = 300
SETTINGS = {"quiet_hours": "off"}
JOURNEY = {
    "journey": "hello",
    "trigger": {"event": "Go"},
    "entry": {"reentry": "always"},
    "steps": [{"sms": {"text": "Hello"}}],
}


def test_facts_of_one_identifier_are_digested_in_order_by_four_workers(services_dir: Path) -> None:
    with (
        running_stack(services_dir / "order", copies={"worker-engine": 4}) as stack,
        stack.events() as client,
    ):
        for begin in range(0, FACTS, 10):
            batch = [
                {
                    "type": "track",
                    "userId": "ada",
                    "event": "Step",
                    "properties": {"n": n},
                    "messageId": f"s-{n}",
                }
                for n in range(begin, begin + 10)
            ]
            send_surely(client, "/v1/batch", {"batch": batch}, stack.heal)

        assert eventually(lambda: stack.count("SELECT count(*) FROM event WHERE name = 'Step'") == FACTS)
        # By transaction, in the order in which they began to write: the lane is theirs from before that until they commit.
        seen = [
            n
            for (n,) in stack.rows(
                "SELECT (properties ->> 'n')::int FROM event WHERE name = 'Step' ORDER BY xmin::text::bigint, arrival"
            )
        ]
        assert seen == sorted(seen)


class Sink:
    """A provider that takes everything at once."""

    provider = "sink"

    def send(self, outbound: Outbound) -> Answer:
        """Take it."""
        return Accepted(provider_id=f"SM{outbound.delivery}")

    def ask(self, question: Question) -> CannotSay:
        """Know nothing."""
        del question
        return CannotSay()


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    """A store on a database of its own."""
    url = create_database(postgres_url, f"order_{uuid.uuid4().hex[:8]}")
    migrate(url)
    opened = PostgresStore(url, min_size=2, max_size=12)
    yield opened
    opened.close()


def test_digest_deliver_receive_and_merge_never_deadlock_under_load(store: PostgresStore) -> None:
    compiled = CompiledProject()
    Publish(store).publish(
        [as_source("journey", "hello", JOURNEY), as_source("settings", "settings", SETTINGS)]
    )
    digest = Digest(store, compiled.catalog_of)
    senders = {Channel.SMS: Sink()}
    requests = Requests(links_of(Settings(secret_key=("k",))))
    errors: list[BaseException] = []
    stop = threading.Event()

    def forever(work: Callable[[random.Random], None], seed: int) -> None:
        chance = random.Random(seed)
        while not stop.is_set():
            try:
                work(chance)
            except (StorageBusyError, IdentityRaceError):
                continue
            except BaseException as exc:
                errors.append(exc)
                stop.set()

    def digesting(chance: random.Random) -> None:
        digest.turn(chance.randrange(LANES), datetime.now(UTC))

    def delivering(_: random.Random) -> None:
        worker = threading.current_thread().name
        room = Deliver(
            store,
            compiled.catalog_of,
            compiled.renderer_of,
            senders,
            requests,
            SystemClock(),
            NoHints(),
            worker=worker,
        )
        room.turn(Channel.SMS, Priority.LIVE)

    def receiving(chance: random.Random) -> None:
        with store.transaction() as tx:
            tx.inbox.add([_call(chance) for _ in range(20)])
            found = tx.deliveries.expired_leases(datetime.max.replace(tzinfo=UTC), 5)
            tx.inbox.add([_receipt(delivery, chance) for delivery, _, _ in found])

    roles = [digesting] * 4 + [delivering] * 2 + [receiving] * 2
    threads = [
        threading.Thread(target=forever, args=(role, seed), name=f"w{seed}")
        for seed, role in enumerate(roles)
    ]
    for thread in threads:
        thread.start()
    stop.wait(12)
    stop.set()
    for thread in threads:
        thread.join()

    with store.session() as session:
        deadlocks = session.one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        merged = session.one("SELECT count(*) FROM decision WHERE kind = 'identity' AND outcome = 'merged'")
        sent = session.one("SELECT count(*) FROM delivery WHERE status <> 'queued'")
    assert errors == []
    assert deadlocks == 0
    assert merged > 0
    assert sent > 0


def _call(chance: random.Random) -> NewFact:
    """A call of one of forty people; every sixth says that an anonymous visitor was one of them."""
    now = datetime.now(UTC)
    user, anonymous = (
        Identifier("user_id", f"u{chance.randrange(40)}"),
        Identifier("anonymous_id", f"a{chance.randrange(60)}"),
    )
    both = chance.random() < 0.16
    who = (user, anonymous) if both else (chance.choice((user, anonymous)),)
    call = Call(
        kind=chance.choice((Kind.IDENTIFY, Kind.TRACK)),
        message_id=uuid.uuid4().hex,
        timestamp=now,
        identifiers=who,
        event="Go",
        traits={"phone": f"+1415555{chance.randrange(9999):04d}"},
    )
    return NewFact(
        lane=lane_of(who[0].value),
        source="test",
        message_id=call.message_id,
        received_at=now,
        payload=encode(call),
    )


def _receipt(delivery: DeliveryId, chance: random.Random) -> NewFact:
    now = datetime.now(UTC)
    receipt = Receipt(
        delivery=delivery, mark="delivered", at=now, receipt_id=uuid.uuid4().hex, provider="sink"
    )
    return NewFact(
        lane=chance.randrange(LANES),
        source="sink",
        message_id=receipt.receipt_id,
        received_at=now,
        payload=encode(receipt),
    )
