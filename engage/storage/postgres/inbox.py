"""Inbox in PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import structs

from engage.domain.fact import InboxRow, NewFact
from engage.domain.ids import LANES
from engage.domain.turn.changes import Quarantined
from engage.ports.storage import Backlog, StorageBusyError
from engage.storage.postgres.session import Session, json, numbers
from engage.storage.within import words_of

_LANE_LOCKS = 1  # the first key of the advisory locks on lanes

# The comparison with `fresh` is kept from becoming a join by IS TRUE: joins are nested loops here, a subplan is hashed.
_ADD = """
WITH fact AS MATERIALIZED (
    SELECT * FROM ROWS FROM (
        json_to_recordset(%s)
        AS (source text, message_id text, lane smallint, live boolean, received_at timestamptz, payload text)
    ) WITH ORDINALITY AS f (source, message_id, lane, live, received_at, payload, n)
), fresh AS MATERIALIZED (
    INSERT INTO seen (source, message_id, received_at)
    SELECT source, message_id, received_at FROM fact ORDER BY source, message_id
    ON CONFLICT DO NOTHING
    RETURNING source, message_id
), stored AS (
    INSERT INTO inbox (lane, live, received_at, payload)
    SELECT lane, live, received_at, decode(payload, 'base64') FROM fact
    WHERE ((source, message_id) IN (SELECT source, message_id FROM fresh)) IS TRUE
    ORDER BY n
)
SELECT source, message_id FROM fresh
"""
# What is told again, because the answer got lost, is known by `seen` as facts are.
_QUARANTINE = """
WITH item AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s) AS (
        lane smallint, received_at timestamptz, source text, reason text, detail text, payload text, identity text,
        words json
    )
), fresh AS MATERIALIZED (
    INSERT INTO seen (source, message_id, received_at)
    SELECT 'quarantine', identity, received_at FROM item WHERE identity IS NOT NULL ORDER BY identity
    ON CONFLICT DO NOTHING
    RETURNING message_id
)
INSERT INTO quarantine (lane, received_at, source, reason, detail, payload, words)
SELECT lane, received_at, source, reason, detail, decode(payload, 'base64'),
    CASE WHEN json_typeof(words) = 'array' THEN ARRAY(SELECT json_array_elements_text(words)) END
FROM item
WHERE identity IS NULL OR (identity IN (SELECT message_id FROM fresh)) IS TRUE
"""
LANES_WITH_FACTS = """
SELECT lane, oldest.received_at
FROM generate_series(0, %s) AS lane,
LATERAL (SELECT received_at FROM inbox WHERE inbox.lane = lane.lane ORDER BY seq LIMIT 1) AS oldest
"""
# The sequence itself is asked: at the end of the index lie the facts that were digested a moment ago, to be stepped over.
_BACKLOG = """
SELECT (SELECT last_value - (NOT is_called)::int FROM inbox_seq_seq), array_agg(lane), array_agg(seq) FROM (
    SELECT lane, oldest.seq
    FROM generate_series(0, %s) AS lane,
    LATERAL (SELECT seq FROM inbox WHERE inbox.lane = lane.lane ORDER BY seq LIMIT 1) AS oldest
) AS lanes
"""
_LOCK_LANES = """
SELECT lane FROM unnest(%s::integer[]) WITH ORDINALITY AS lanes (lane, place)
WHERE pg_try_advisory_xact_lock(%s, lane) ORDER BY place
"""
# Sorted below, so that two who wait for several lanes take them in one order.
_WAIT_FOR_LANES = """
SELECT pg_advisory_xact_lock(%s, lane) FROM unnest(%s::integer[]) WITH ORDINALITY AS lanes (lane, place) ORDER BY place
"""
# Which rows they are is settled on the index alone: however long the lanes are, only the chosen payloads are read.
_READ_LANES = """
SELECT seq, lane, received_at, payload, attempts, live FROM inbox WHERE seq = ANY(ARRAY(
    SELECT oldest.seq FROM unnest(%s::smallint[]) AS lanes (lane), LATERAL (
        SELECT seq FROM inbox WHERE inbox.lane = lanes.lane ORDER BY seq LIMIT %s
    ) AS oldest
    ORDER BY oldest.seq LIMIT %s
)) ORDER BY seq
"""


# Looks at so many rows of a lane and no more: the last one then stands for the live one that may be behind it.
_NEXT_LIVE = """
SELECT min(next.received_at) FROM unnest(%s::smallint[]) AS lanes (lane), LATERAL (
    SELECT received_at FROM (
        SELECT seq, received_at, live, row_number() OVER (ORDER BY seq) = 10000 AS last
        FROM inbox WHERE inbox.lane = lanes.lane AND seq > %s ORDER BY seq LIMIT 10000
    ) AS looked_at
    WHERE live OR last ORDER BY seq LIMIT 1
) AS next
"""


class PostgresInbox:
    """Facts that nobody has digested yet, in lanes."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def add(self, facts: Sequence[NewFact]) -> list[bool]:
        """Store facts; True per fact stored, False where it was seen before."""
        first = {(fact.source, fact.message_id): fact for fact in reversed(facts)}
        wanted = [fact for fact in facts if first[fact.source, fact.message_id] is fact]
        if not wanted:
            return []
        fresh = set(self._session.rows(_ADD, json(wanted)))
        return [
            identity in fresh and first[identity] is fact
            for fact in facts
            for identity in [(fact.source, fact.message_id)]
        ]

    def lock_lane(self, lane: int) -> bool:
        """Take the lane for this transaction; False at once if another transaction has it."""
        return bool(self._session.one("SELECT pg_try_advisory_xact_lock(%s, %s)", _LANE_LOCKS, lane))

    def lock_lanes(self, lanes: Collection[int], *, wait: bool = False) -> list[int]:
        """Take those of these lanes that nobody else has (`wait`: all), for this transaction; return them in order."""
        if wait:
            wanted = sorted(set(lanes))
            self._session.rows(_WAIT_FOR_LANES, _LANE_LOCKS, wanted)
            return wanted
        return [lane for (lane,) in self._session.rows(_LOCK_LANES, sorted(set(lanes)), _LANE_LOCKS)]

    def read_lanes(self, lanes: Collection[int], limit: int) -> list[InboxRow]:
        """Return the oldest facts of these lanes together, in order of arrival."""
        rows = self._session.rows(_READ_LANES, sorted(set(lanes)), limit, limit)
        return [
            InboxRow(seq=seq, lane=lane, received_at=at, payload=payload, attempts=attempts, live=live)
            for seq, lane, at, payload, attempts, live in rows
        ]

    def read(self, lane: int, limit: int) -> list[InboxRow]:
        """Return the lane's oldest facts in order of arrival."""
        rows = self._session.rows(
            "SELECT seq, received_at, payload, attempts, live FROM inbox WHERE lane = %s ORDER BY seq LIMIT %s",
            lane,
            limit,
        )
        return [
            InboxRow(seq=seq, lane=lane, received_at=at, payload=payload, attempts=attempts, live=live)
            for seq, at, payload, attempts, live in rows
        ]

    def next_live(self, lanes: Collection[int], after: int) -> datetime | None:
        """Return when the next live fact of these lanes behind `after` came."""
        found: datetime | None = self._session.one(_NEXT_LIVE, sorted(set(lanes)), after)
        return found

    def remove(self, rows: Collection[int]) -> None:
        """Remove digested facts by `seq`; raises StorageBusyError if one is gone."""
        wanted = set(rows)
        if not wanted:
            return
        gone = self._session.run("DELETE FROM inbox WHERE seq = ANY(%s::bigint[])", numbers(wanted))
        if gone < len(wanted):
            raise StorageBusyError("a fact was erased meanwhile")

    def failed(self, rows: Collection[int]) -> None:
        """Count one more failed attempt at these facts."""
        if rows:
            self._session.run(
                "UPDATE inbox SET attempts = attempts + 1 WHERE seq = ANY(%s::bigint[])", numbers(rows)
            )

    def quarantine(self, items: Sequence[Quarantined]) -> None:
        """Keep what could not be taken, with its reason; what has an identity once."""
        known = {item.identity: item for item in reversed(items)}
        wanted = [item for item in items if item.identity is None or known[item.identity] is item]
        if wanted:
            self._session.run(_QUARANTINE, json([_with_words(item) for item in wanted]))

    def take_out(self, kept: Collection[int]) -> None:
        """Remove quarantined facts by id: they were replayed."""
        if kept:
            self._session.run("DELETE FROM quarantine WHERE id = ANY(%s::bigint[])", numbers(kept))

    def lanes(self) -> dict[int, datetime]:
        """Return the lanes that have facts, with the arrival of their oldest."""
        return dict(self._session.rows(LANES_WITH_FACTS, LANES - 1))

    def backlog(self) -> Backlog:
        """Return where the inbox begins and ends."""
        ((newest, lanes, oldest),) = self._session.rows(_BACKLOG, LANES - 1)
        return Backlog(newest=newest, oldest=dict(zip(lanes or (), oldest or (), strict=True)))


def _with_words(item: Quarantined) -> dict[str, object]:
    """Return the row of a quarantined fact, with the words by which erasing finds it."""
    words = words_of(item.payload.decode("utf-8", "replace"), item.detail)
    return {**structs.asdict(item), "words": None if words is None else sorted(words)}
