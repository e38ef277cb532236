"""Workload P: one audience over a million people with ten million events — its preview, and its publication."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from engage.bench.accounting import cpu_seconds, require_proc
from engage.bench.figures import Budget, Figures
from engage.bench.multitude import EVENTS_A_HEAD, fill
from engage.bench.stack import BenchError
from engage.bench.workload import Place, Wish, Workload
from engage.compiled import CompiledProject
from engage.domain.audience.audience import Audience
from engage.domain.catalog import Catalog
from engage.engine.publish.backfill import Backfill
from engage.engine.publish.preview import estimate_audiences
from engage.engine.publish.publish import Publish, Source
from engage.services import migrate_schema
from engage.storage.postgres import PostgresStore

PROFILES = 1_000_000
BUDGET = Budget(at_most={"preview_s": 1, "publish_s": 60})
NAME = "vip"
RULE = "count('Order Completed', within='90 days', where=event.total >= 20) >= 1 and profile.country == 'US'"
PREVIEWS = 5
# The same rule as somebody would write it by hand: what was published must be this.
_BY_HAND = """
SELECT count(*) FROM profile p WHERE traits ->> 'country' = 'US' AND (
    SELECT count(*) FROM event e WHERE e.profile_id = p.id AND e.name = 'Order Completed'
        AND (e.properties ->> 'total')::numeric >= 20 AND e.timestamp > %s
) >= 1
"""


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication cost."""

    seconds: float
    cpu: dict[str, float]
    members: int


@contextmanager
def opened(place: Place) -> Iterator[PostgresStore]:
    """Open the store of an empty place, migrated."""
    migrate_schema(place.ground.postgres.url)
    store = PostgresStore(place.ground.postgres.url, max_size=3)
    try:
        yield store
    finally:
        store.close()


def run_audience(place: Place, profiles: int) -> Figures:
    """Fill a database, estimate the audience, publish it, and wait until everybody in it has been written.

    Raises:
        BenchError: the backfill does not end.
    """
    require_proc()
    now = datetime.now(UTC)
    with opened(place) as store:
        began = time.monotonic()
        fill(place.ground.postgres.url, profiles, now)
        filled = time.monotonic() - began
        audience = Audience.model_validate({"audience": NAME, "where": RULE})
        catalog = Catalog(audiences=[audience])
        previews = sorted(_timed_preview(store, catalog, now) for _ in range(PREVIEWS))
        published = _publish(place, store, now)
        estimate = estimate_audiences(store, catalog, [NAME], now)[NAME]
        with store.session() as session:
            by_hand = int(session.one(_BY_HAND, now - timedelta(days=90)))
    faults = [] if published.members == by_hand else [f"{published.members} members, by hand {by_hand}"]
    low, high = estimate.between
    return Figures.of_cpu(
        count=profiles,
        seconds=published.seconds,
        stages=published.cpu,
        faults=faults,
        more={
            "preview_s": previews[PREVIEWS // 2],
            "preview_error": abs(estimate.about - by_hand) / profiles,
            "preview_half_width": (high - low) / 2 / profiles,
            "publish_s": published.seconds,
            "members": float(published.members),
            "profiles": float(profiles),
            "events": float(profiles * EVENTS_A_HEAD),
            "fill_s": filled,
        },
    )


def _timed_preview(store: PostgresStore, catalog: Catalog, now: datetime) -> float:
    began = time.monotonic()
    estimate_audiences(store, catalog, [NAME], now)
    return time.monotonic() - began


def _publish(place: Place, store: PostgresStore, now: datetime) -> Published:
    roots = {"PostgreSQL": place.ground.postgres.pid}
    before, own, began = cpu_seconds(roots), time.process_time(), time.monotonic()
    source = Source(kind="audience", name=NAME, text=f"audience: {NAME}\nwhere: >-\n  {RULE}\n")
    job = Publish(store).publish([source], whole=False).job
    if job is None:
        raise BenchError("the publication left nothing to do")
    room = Backfill(store, CompiledProject().catalog_of)
    while (progress := room.turn(job, now)) is not None and not progress.finished:
        pass
    seconds = time.monotonic() - began
    spent = {name: used - before[name] for name, used in cpu_seconds(roots).items()}
    with store.session() as session:
        members = int(session.one("SELECT count(*) FROM membership WHERE audience = %s", NAME))
    return Published(seconds, {**spent, "backfill": time.process_time() - own}, members)


def _run(place: Place, wish: Wish) -> Figures:
    return run_audience(place, wish.profiles or PROFILES)


WORKLOAD = Workload(
    name="P",
    about="an audience over everybody: its preview, and its publication with memberships written",
    budget=BUDGET,
    run=_run,
    alone=True,
)
