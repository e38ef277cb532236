"""Metrics: the engine's numbers and this process's own, in Prometheus' text format (version 0.0.4)."""

from collections.abc import Callable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engage.api.deps import Now
from engage.api.microbatch import MicroBatcher
from engage.domain.catalog import Catalog
from engage.ports.reading import Reading
from engage.ports.storage import StorageAwayError, StorageBusyError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_QUEUES = {
    "inbox": "Facts that nobody has digested yet.",
    "inbox_oldest_seconds": "How long the oldest of them has waited.",
    "timers_due": "Timers that should have fired.",
    "timers_due_oldest_seconds": "How late the oldest of them is.",
    "deliveries_due": "Deliveries that could leave now.",
    "deliveries_due_oldest_seconds": "How long the oldest of them could.",
    "deliveries_later": "Deliveries that are held, or due later.",
    "sending": "Deliveries whose call to the provider is under way.",
    "unknown": "Deliveries whose outcome nobody knows yet.",
    "quarantine": "Facts that could not be taken.",
    "jobs": "Backfills, imports and broadcasts that are not done.",
    "active_runs": "People in journeys.",
    "epoch": "Publications so far.",
}
"""What `Reading.queues` counts; the database counts up to a bound, so that asking stays cheap."""


class Metrics:
    """What `/metrics` answers. The engine's numbers are the database's: every API process tells the same."""

    def __init__(
        self, reading: Reading, catalog: Callable[[], Catalog], clock: Now, batcher: MicroBatcher
    ) -> None:
        """Ask these when asked; nothing is counted on the way of an event but what the batcher counts anyway."""
        self._registry = CollectorRegistry()
        self._registry.register(_Engine(reading, catalog, clock))
        self._registry.register(_Intake(batcher))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return all numbers. While the database is away, `engage_database_up` is 0 and what it knows is left out."""
        return generate_latest(self._registry)


class _Engine(Collector):
    def __init__(self, reading: Reading, catalog: Callable[[], Catalog], clock: Now) -> None:
        self._reading, self._catalog, self._clock = reading, catalog, clock

    def describe(self) -> list[Metric]:
        """Nothing: else registering would already ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the numbers of the engine."""
        yield _labelled("engage_build", "The version that runs here.", "version", {version("engage"): 1})
        try:
            queues, reasons = self._reading.queues(self._clock.now()), self._reading.quarantine_reasons()
        except (StorageAwayError, StorageBusyError):
            yield GaugeMetricFamily("engage_database_up", "Whether the database answers.", 0)
            return
        yield GaugeMetricFamily("engage_database_up", "Whether the database answers.", 1)
        for name, about in _QUEUES.items():
            yield GaugeMetricFamily(f"engage_{name}", about, queues[name])
        yield _labelled(
            "engage_quarantine_reasons", "Facts that could not be taken, by why.", "reason", reasons
        )
        catalog = self._catalog()
        stopped = {str(channel): 1 for channel in sorted(catalog.stopped)}
        yield _labelled(
            "engage_sending_stopped", "Channels that an operator has stopped.", "channel", stopped
        )
        paused = {name: int(catalog.is_paused(name)) for name in sorted(catalog.journeys)}
        yield _labelled("engage_journey_paused", "Whether a live journey is paused.", "journey", paused)


class _Intake(Collector):
    def __init__(self, batcher: MicroBatcher) -> None:
        self._batcher = batcher

    def collect(self) -> Iterator[Metric]:
        """Yield what has come in through this process."""
        load = self._batcher.load()
        yield GaugeMetricFamily(
            "engage_intake_waiting_facts", "Facts this process has yet to store.", load.waiting
        )
        yield GaugeMetricFamily("engage_intake_waiting_bytes", "And their size.", load.waiting_bytes)
        yield CounterMetricFamily("engage_intake_facts", "Facts this process has stored.", load.stored)
        yield CounterMetricFamily(
            "engage_intake_commits", "Transactions that took for all of them.", load.commits
        )
        yield CounterMetricFamily(
            "engage_intake_overloaded", "Requests refused because too much waited.", load.refused
        )
        yield GaugeMetricFamily(
            "engage_intake_events_per_second_limit",
            "Events that this process stores at most, because digest is late; +Inf where it is not.",
            load.limit,
        )


def _labelled(name: str, about: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
