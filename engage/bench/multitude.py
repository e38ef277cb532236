"""Multitude: a million people with their history, made inside PostgreSQL in minutes instead of sent in hours.

The rows are those that facts would have left. People are as old as their ids; events lie in the order of time, as they
came in, so that one person's are spread over the whole table.
"""

from datetime import UTC, datetime, timedelta

import psycopg

from engage.storage.postgres import PostgresStore
from engage.storage.postgres.partitions import ensure_months

EVENTS_A_HEAD = 10
DAYS = 365
BLOCK = 100_000
"""Rows of one statement."""

# A person's number gives the id: its time first, like every id of ours, then a hash.
_ID = """
(lpad(to_hex(1700000000000 + {i}::bigint * 1000), 12, '0') || '7' || substr(md5({i}::text), 1, 3) || 'a'
    || substr(md5({i}::text), 4, 15))::uuid
"""
_CHANCE = "abs(hashint8extended({n}, {salt}) %% 1000000)"
_PROFILES = f"""
INSERT INTO profile (id, lane, created_at, bucket_key, merges, traits, trait_times)
SELECT {_ID.format(i="i")}, i %% 64, to_timestamp(1700000000 + i), md5(i::text)::uuid::text, 0,
    jsonb_build_object(
        'email', 'p' || i || '@mail.example', 'phone', '+1212' || lpad(i::text, 7, '0'), 'first_name', 'Ada',
        'country', (ARRAY['US', 'US', 'DE', 'FR', 'GB'])[1 + {_CHANCE.format(n="i", salt=1)} %% 5], 'plan', (ARRAY['free', 'gold'])[1 + {_CHANCE.format(n="i", salt=2)} %% 2],
        'age', 18 + {_CHANCE.format(n="i", salt=3)} %% 60
    ), '{{}}'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i
"""
_IDENTIFIERS = f"""
INSERT INTO identifier (value, kind, profile_id)
SELECT 'p' || i, 'user_id', {_ID.format(i="i")} FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i
ORDER BY 1
"""
# Multiplying by an odd number walks through all people once, in an order that has nothing to do with their ids.
_EVENTS = f"""
INSERT INTO event (profile_id, id, timestamp, received_at, arrival, epoch, name, type, properties)
SELECT {_ID.format(i="who")}, 'e' || n, at, at, n, 0,
    (ARRAY['Product Viewed', 'Product Viewed', 'Product Viewed', 'Page Viewed', 'Page Viewed', 'Page Viewed',
        'Cart Updated', 'Cart Updated', 'Order Completed', 'Order Completed'])[1 + {_CHANCE.format(n="n", salt=4)} %% 10],
    'track', jsonb_build_object('sku', 'S' || {_CHANCE.format(n="n", salt=5)} %% 1000, 'total', {_CHANCE.format(n="n", salt=6)} %% 200, 'currency', 'USD')
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
CROSS JOIN LATERAL (SELECT (n * 7919) %% %(people)s AS who) AS person
CROSS JOIN LATERAL (
    SELECT %(since)s::timestamptz + (%(until)s::timestamptz - %(since)s::timestamptz) * (n::double precision / %(events)s) AS at
) AS moment
"""


def fill(url: str, people: int, now: datetime, *, events_a_head: int = EVENTS_A_HEAD) -> None:
    """Make people and their events of the year before `now` in an empty, migrated database; statistics are current."""
    events, since = people * events_a_head, now - timedelta(days=DAYS)
    _months(url, since, now)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for statement, count, more in (
            (_PROFILES, people, {}),
            (_IDENTIFIERS, people, {}),
            (_EVENTS, events, {"people": people, "since": since, "until": now, "events": events}),
        ):
            for first in range(0, count, BLOCK):
                last = min(first + BLOCK, count) - 1
                connection.execute(statement.encode(), {"first": first, "last": last, **more})
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


_ORDERS = f"""
INSERT INTO event (profile_id, id, timestamp, received_at, arrival, epoch, name, type, properties)
SELECT {_ID.format(i="i")}, 'o' || n, at, at, n, 0, 'Order Completed', 'track', '{{"total": 12}}'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i, generate_series(1, %(orders)s::bigint) AS n
CROSS JOIN LATERAL (SELECT %(now)s::timestamptz - n * interval '1 minute' AS at) AS moment
"""


def let_order(url: str, first: int, last: int, orders: int, now: datetime) -> None:
    """Have these people have ordered so often, once a minute until `now`."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        values = {"first": first, "last": last, "orders": orders, "now": now}
        connection.execute(_ORDERS.encode(), values)
        connection.execute("VACUUM ANALYZE event")


def _months(url: str, since: datetime, now: datetime) -> None:
    store = PostgresStore(url, max_size=2)
    try:
        month = since.astimezone(UTC).replace(day=15)
        while month < now + timedelta(days=31):
            with store.session() as session:
                ensure_months(session, month)
            month += timedelta(days=28)
    finally:
        store.close()


# What entering writes for somebody who waits at the first step.
_RUNS = f"""
INSERT INTO run (id, profile_id, version, entered_at, journey, key, step, doc)
SELECT id, profile, 1, %(now)s, %(journey)s, '', '0', json_build_object(
    'id', id, 'profile', profile, 'journey', %(journey)s::text, 'version', 1, 'entered_at', %(now)s::timestamptz,
    'since', %(now)s::timestamptz, 'step', '0', 'arrived_at', %(now)s::timestamptz, 'due_at', %(due)s::timestamptz,
    'visits', json_build_object('0', 0)
)
FROM (
    SELECT {_ID.format(i="i")} AS profile, md5('run' || i)::uuid AS id
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i
) AS who
ON CONFLICT DO NOTHING
"""
_TIMERS = f"""
INSERT INTO timer (profile_id, due_at, lane, kind, ref)
SELECT {_ID.format(i="i")}, %(due)s::timestamptz + i * interval '1 millisecond', i %% 64, 'run', md5('run' || i)::uuid::text
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i
ON CONFLICT DO NOTHING
"""
_DUE = f"""
WITH late AS (
    SELECT {_ID.format(i="i")} AS profile, md5('run' || i)::uuid AS id
    FROM generate_series(0, %(count)s::bigint - 1) AS i
), timed AS (
    UPDATE timer SET due_at = %(now)s::timestamptz - interval '1 second' FROM late
    WHERE timer.profile_id = late.profile AND kind = 'run' AND ref = late.id::text
)
UPDATE run SET doc = (doc::jsonb || jsonb_build_object('due_at', %(now)s::timestamptz - interval '1 second'))::json
FROM late WHERE run.id = late.id
"""


def let_wait(url: str, people: int, journey: str, now: datetime, due: datetime) -> None:
    """Have the first `people` wait at the first step of version 1 of a journey, `0`, until about `due`."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for first in range(0, people, BLOCK):
            last = min(first + BLOCK, people) - 1
            values = {"first": first, "last": last, "journey": journey, "now": now, "due": due}
            connection.execute(_RUNS.encode(), values)
            connection.execute(_TIMERS.encode(), values)
        connection.execute("VACUUM ANALYZE run, timer")


def make_due(url: str, count: int, now: datetime) -> int:
    """Have the timers of the first `count` people who wait be due a second ago; return how many."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(_DUE.encode(), {"count": count, "now": now}).rowcount
