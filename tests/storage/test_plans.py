"""No hot question reads a whole table, whether the planner knows the tables or met them empty."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta

import psycopg
import pytest

from engage.domain.audience.audience import Audience
from engage.domain.consent.consent import ConsentEntry, ConsentState, SuppressionEntry
from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import Channel, Mark, Priority
from engage.domain.expression import Place, compile_expression
from engage.domain.ids import first_id
from engage.domain.turn.changes import Changes, FoldState, ReceiptRow, TimerKind
from engage.ports.selecting import Given, Rules, Stretch
from engage.ports.storage import StorageBusyError, Transaction
from engage.storage.migrations.apply import migrate
from engage.storage.postgres import PostgresStore
from engage.storage.postgres.upkeep import keep_house
from tests.storage.conftest import create_database
from tests.storage.contract.given import (
    LANE,
    NOON,
    at,
    delivery,
    delivery_id,
    email,
    event,
    fact,
    people,
    profile_id,
    run,
    run_id,
    timer,
)

pytestmark = pytest.mark.live

ROWS = 20_000
_FILL = f"""
CREATE TEMP TABLE n AS SELECT i, gen_random_uuid() AS id, gen_random_uuid() AS other,
    timestamptz '2026-07-01' + i * interval '1 second' AS at FROM generate_series(1, {ROWS}) AS i;
INSERT INTO profile SELECT id, i % 64, at, 'b', 0, '{{}}', '{{}}' FROM n;
INSERT INTO identifier (value, kind, profile_id) SELECT 'p' || i, 'email', id FROM n;
INSERT INTO inbox (lane, live, received_at, payload) SELECT i % 64, true, at, 'x' FROM n;
INSERT INTO event SELECT id, 'e', at, at, i, 1, 'Bought', 'track', '{{}}' FROM n;
INSERT INTO fold SELECT id, 'last', at, '{{}}' FROM n;
INSERT INTO membership SELECT id, 'vip', at FROM n;
INSERT INTO subscription SELECT '+' || i, 'address', 'sms', 'news', 'subscribed', at, '' FROM n;
INSERT INTO suppression SELECT '+' || i, 'sms', '', at, '', false FROM n;
INSERT INTO run SELECT other, id, 1, at, NULL, NULL, NULL, 'welcome', '', 'wait', NULL, '{{}}' FROM n;
INSERT INTO timer SELECT id, at, i % 64, 'run', other::text FROM n;
INSERT INTO decision (profile_id, at, kind, outcome, "values") SELECT id, at, 'step', 'x', '{{}}' FROM n;
INSERT INTO delivery SELECT gen_random_uuid(), id, other, at,
    CASE WHEN i % 4 = 0 THEN at END, CASE WHEN i % 4 = 1 THEN at END, CASE WHEN i % 4 = 2 THEN at END, at, at, 1,
    'sms', 'live', 'queued', '[]', 'news', 'welcome', 'hello', NULL, '+' || i, 'SM' || i, '', '{{}}' FROM n;
INSERT INTO receipt SELECT gen_random_uuid(), '1', id, at, 'sent', 'x', NULL, '{{}}' FROM n;
INSERT INTO heard SELECT 'email', at FROM n;
"""
_OURS = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
_SCANS = "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE seq_tup_read > 1000"

Question = Callable[[Transaction], object]

ADA = profile_id("ada")
PLACES = [(Channel.SMS, "+1")]
SOME = sorted((ADA, profile_id("bob")))
STRETCH = Stretch(after=SOME[0], upto=SOME[1], people=1)
WHERE = compile_expression(
    "count('Bought', within='90 days', where=event.total >= 20) >= 3 and in_audience('other')"
    " and last('Cart*') < ago('1 day') and profile.country == 'US'",
    Place.AUDIENCE,
)
VIP = Audience.model_validate({"audience": "vip", "where": WHERE.source})
GIVEN = Given(now=NOON)
RULES = Rules(audiences=[VIP], inside=["vip"], watched=["vip"], dated=["birthday"], clocks=["yearly"])


def remove_some(tx: Transaction) -> None:
    """Remove facts, which may be there or not."""
    with suppress(StorageBusyError):
        tx.inbox.remove([1, 2, 3])


def written() -> Changes:
    """Return changes with something of every kind."""
    sent = delivery("ada", "d", Mark.ACCEPTED, run=run_id("r"), step="hello", sending_at=NOON)
    some = people("ada", "bob")
    some.events.append(event("ada", "Bought"))
    some.folds += [
        FoldState(profile=ADA, key=key, upto=NOON, state={} if key else None) for key in ("last", "")
    ]
    some.runs[run_id("ada")] = run("ada")
    some.runs[run_id("bob")] = run("bob", ended_at=NOON)
    for one in (timer("ada", "x", 1), timer("ada", "y", None)):
        some.timers[one.profile, TimerKind.RUN, one.ref] = one
    some.deliveries[sent.id] = sent
    some.receipts.append(ReceiptRow(delivery=sent.id, profile=ADA, receipt_id="1", mark=Mark.SENT, at=NOON))
    some.decisions.append(Decision(profile=ADA, at=NOON, kind=Decided.STEP, outcome="x"))
    some.consents.append(
        ConsentEntry(
            channel="sms",
            topic="news",
            state=ConsentState.PENDING,
            at=NOON,
            source="",
            address="+1",
            profile=ADA,
        )
    )
    some.suppressions.append(SuppressionEntry(channel="sms", address="+1", reason="", at=NOON, source=""))
    return some


QUESTIONS: dict[str, Question] = {
    "add": lambda tx: tx.inbox.add([fact("a"), fact("b")]),
    "read": lambda tx: tx.inbox.read(LANE, 500),
    "read lanes": lambda tx: tx.inbox.read_lanes([LANE, LANE + 1], 500),
    "remove": lambda tx: remove_some(tx),
    "failed": lambda tx: tx.inbox.failed([4, 5]),
    "lanes": lambda tx: tx.inbox.lanes(),
    "find": lambda tx: tx.people.find([email("ada"), email("bob")]),
    "lock": lambda tx: tx.people.lock([ADA, profile_id("bob")]),
    "hold": lambda tx: tx.people.hold([ADA, profile_id("bob")]),
    "stretch": lambda tx: tx.selection.stretch(ADA, 500),
    "upto": lambda tx: tx.selection.upto(*SOME),
    "members": lambda tx: tx.selection.members("vip", ADA, 500),
    "who is in a journey": lambda tx: tx.selection.walking("welcome", STRETCH),
    "whom a signal is about": lambda tx: tx.selection.candidates(WHERE, GIVEN, STRETCH),
    "whom a rule holds for": lambda tx: tx.selection.holding([WHERE], GIVEN, [ADA]),
    "standings": lambda tx: tx.selection.standings(RULES, GIVEN, STRETCH),
    "standings again": lambda tx: tx.selection.standings(RULES, GIVEN, [ADA, profile_id("bob")]),
    "page": lambda tx: tx.people.page(ADA, 500),
    "memberships": lambda tx: tx.people.memberships([ADA]),
    "history": lambda tx: tx.events.history([ADA], {"Bought": NOON, "Cart*": None, "Left": None}),
    "folds": lambda tx: tx.folds.of([ADA]),
    "later": lambda tx: tx.events.later({ADA: {"Bought": NOON, "Cart*": NOON, "Left": None}}),
    "stored": lambda tx: tx.events.stored([ADA], ["e"]),
    "open": lambda tx: tx.runs.open([ADA], NOON),
    "entries": lambda tx: tx.runs.entries([ADA], ["welcome"]),
    "timers": lambda tx: tx.runs.timers([ADA]),
    "completed": lambda tx: tx.runs.completed([run_id("r")]),
    "due": lambda tx: tx.runs.due(LANE, NOON, 500),
    "due in lanes": lambda tx: tx.runs.due_in([LANE, LANE + 1], NOON, 500),
    "next timer": lambda tx: tx.runs.next_due(),
    "due lanes": lambda tx: tx.runs.due_lanes(NOON),
    "get": lambda tx: tx.deliveries.get([delivery_id("d")]),
    "waiting": lambda tx: tx.deliveries.waiting([run_id("r")]),
    "candidates": lambda tx: tx.deliveries.candidates(Channel.SMS, Priority.LIVE, NOON, 500),
    "leases": lambda tx: tx.deliveries.expired_leases(NOON, 500),
    "unknown": lambda tx: tx.deliveries.unknown(NOON, 500),
    "between": lambda tx: tx.deliveries.between(first_id(NOON), first_id(at(86400)), 500),
    "recent": lambda tx: tx.deliveries.recent_to(PLACES, NOON),
    "heard": lambda tx: tx.deliveries.heard_of_later(Channel.EMAIL, NOON),
    "ids": lambda tx: tx.deliveries.ids_at(*PLACES[0]),
    "in doubt": lambda tx: tx.deliveries.in_doubt_at(*PLACES[0]),
    "overdue calls": lambda tx: tx.deliveries.overdue_calls(NOON, 500),
    "chats": lambda tx: tx.deliveries.chats(["IM1"]),
    "on the way": lambda tx: tx.deliveries.on_the_way(Channel.CHAT),
    "accepted": lambda tx: tx.deliveries.accepted_since([ADA], NOON),
    "slowness": lambda tx: tx.senders.slowness(["s"]),
    "texted": lambda tx: tx.deliveries.texted(["+1"]),
    "addressed": lambda tx: tx.deliveries.addressed_before([("news", "+1")]),
    "next delivery": lambda tx: tx.deliveries.next_due(),
    "work": lambda tx: tx.deliveries.due_work(at(-86400)),
    "consents": lambda tx: tx.consents.view([ADA], {ADA: PLACES}),
    "inside": lambda tx: tx.definitions.versions_inside(),
    "write": lambda tx: tx.write(written()),
    "write again": lambda tx: tx.write(written()),
    "merge": lambda tx: tx.write(Changes(merges=[(profile_id("bob"), ADA)])),
}


@pytest.fixture(params=["met empty", "well known"])
def filled(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[PostgresStore]:
    """A store of one connection on big tables: either its plans were made before anybody filled them, or they are
    analysed and the planner may choose as it likes."""
    url = create_database(postgres_url, f"plans {request.param}")
    migrate(url)
    store = PostgresStore(url, min_size=1, max_size=1)
    keep_house(
        store,
        NOON,
        events=timedelta(days=400),
        bodies=timedelta(days=90),
        decisions=timedelta(days=90),
        epoch=0,
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE profile SET (autovacuum_enabled = false)")
        if request.param == "met empty":
            for _ in range(
                7
            ):  # the driver prepares at the second time, the server settles on one plan at the sixth
                ask_everything(store)
        connection.execute(_FILL)
        if request.param == "well known":
            connection.execute("VACUUM ANALYZE")
            with store.transaction() as tx:
                for setting in _OURS:
                    tx._session.run("SELECT set_config(%s, 'on', false)", setting)
    forget_scans(store)
    yield store
    store.close()


def ask_everything(store: PostgresStore) -> None:
    """Ask every question, each in a transaction of its own that is then undone."""
    for question in QUESTIONS.values():
        with pytest.raises(ZeroDivisionError), store.transaction() as tx:
            raise ZeroDivisionError(question(tx))


def flush_counters(store: PostgresStore) -> None:
    """Have the server count what the store's connection has read so far; it would else wait a second."""
    with store.transaction() as tx:
        tx._session.run("SELECT pg_stat_force_next_flush()")


def forget_scans(store: PostgresStore) -> None:
    """Start counting afresh."""
    flush_counters(store)
    with store.transaction() as tx:
        tx._session.run("SELECT pg_stat_reset()")


def test_no_hot_question_reads_a_whole_table(filled: PostgresStore) -> None:
    guilty: dict[str, list[tuple[str, int]]] = {}
    for name, question in QUESTIONS.items():
        with filled.transaction() as tx:
            question(tx)
        flush_counters(filled)
        with filled.transaction() as tx:
            if scans := tx._session.rows(_SCANS):
                guilty[name] = [(table, rows) for table, rows in scans]
        forget_scans(filled)

    assert guilty == {}
