"""Overview: how the engine stands — queues and how late they are, what is stopped or paused, who is stuck, the quarantine."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from engage.domain.catalog import Catalog
from engage.domain.steps.send import Send
from engage.domain.steps.wait_for import WaitFor
from engage.ports.jobs import ASIDE
from engage.ports.reading import Reading
from engage.ports.storage import Store

SHOWN = 20
"""Jobs that set people aside, of which is told."""


def overview(store: Store, reading: Reading, catalog: Catalog, now: datetime) -> dict[str, Any]:
    """Return what `engage status` and `GET /v1/status` show: the queues by name, and `lags`, `stopped`, `paused`, `stuck`, `working_on`,
    `set_aside`: how many people the last jobs left out."""
    with store.transaction() as tx:
        aside = tx.jobs.with_people_aside(SHOWN)
        jobs = [{"job": job.name, "done": job.done, "total": job.total} for job in tx.jobs.unfinished()]
    return {
        **reading.queues(now),
        "lags": reading.lags(now),
        "stopped": sorted(catalog.stopped),
        "paused": sorted(live.name for live in catalog.journeys.values() if catalog.is_paused(live.name)),
        "stuck": list(stuck_runs(reading.untimed(), catalog)),
        "working_on": jobs,
        "set_aside": [{"job": job.name, "people": job.data[ASIDE]} for job in aside],
        "quarantine_reasons": reading.quarantine_reasons(),
    }


def stuck_runs(untimed: dict[tuple[str, int, str | None], int], catalog: Catalog) -> Iterator[dict[str, Any]]:
    """Yield where runs stand that no timer wakes and that wait for nothing a step could name."""
    for (journey, version, step), count in sorted(untimed.items(), key=str):
        if catalog.is_paused(journey) or not catalog.has_version(journey, version):
            continue
        node = catalog.version(journey, version).program.nodes.get(step or "")
        # A send waits for its delivery, and a wait for what it names; everything else needs a timer.
        if node is None or not isinstance(node.step, Send | WaitFor):
            name = step if node is None else node.id
            yield {"journey": journey, "version": version, "step": name, "runs": count}
