"""The workloads of the budget page, one file per kind; a new one is a file and a row here."""

from engage.bench.workload import Workload
from engage.bench.workloads import (
    audience,
    growth,
    ingest,
    latency,
    memory,
    messages,
    overload,
    ready,
    scenarios,
    timers,
    urgent,
    waiting,
)

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        messages.SMS.workload,
        messages.EMAIL.workload,
        latency.WORKLOAD,
        urgent.WORKLOAD,
        ingest.WORKLOAD,
        audience.WORKLOAD,
        timers.WORKLOAD,
        scenarios.WORKLOAD,
        memory.WORKLOAD,
        ready.WORKLOAD,
        growth.WORKLOAD,
        overload.WORKLOAD,
        waiting.WORKLOAD,
    )
}
