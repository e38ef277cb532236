"""Hints over Celery: few messages per queue, from a thread; never blocks, may be lost."""

import threading
from collections.abc import Iterable
from time import monotonic, sleep

import structlog
from celery import Celery

from engage.domain.delivery.delivery import CALLS, Channel, Priority

log = structlog.get_logger(__name__)

INTERVAL = 0.02
"""Seconds between two hints to one queue; the first of a burst leaves at once. Design §4, sweep."""
LONGEST_INTERVAL = 0.25
"""Where a burst goes on: a task costs a millisecond on either side, and a worker with much to do looks by itself.
Measured on workload A: a tenth of all CPU time against 0.08, and no message less a second. What is urgent waits for none."""
EXPIRES = 60.0
"""Seconds for which a hint is good. It is judged by two machines' clocks, which may differ: better many hints than none."""
BROKER_PAUSE = 1.0
"""Seconds to leave a broker alone that did not take a hint; the sweep does the work meanwhile."""


def queue_of(channel: Channel, priority: Priority) -> str:
    """Return the queue whose workers release this kind of delivery."""
    if priority is Priority.URGENT:
        return "urgent"
    if channel in CALLS:
        return "sync"
    return {Channel.EMAIL: "email", Channel.VOICE: "voice"}.get(channel, "sms")


def send_hint(app: Celery, task: str, args: tuple[object, ...], queue: str) -> None:
    """Publish one hint, once.

    Raises:
        Exception: whatever a broker that does not take it raises.
    """
    app.send_task(task, args=args, queue=queue, expires=EXPIRES, ignore_result=True, retry=False)


class CeleryHints:
    """Implements `ports.clock.Hints`. One per process; its thread starts with the first hint."""

    def __init__(self, app: Celery) -> None:
        """Publish through `app`."""
        self._app = app
        self._lock = threading.Lock()
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._lanes: set[int] = set()
        self._urgent_lanes: set[int] = set()
        self._work: set[tuple[Channel, Priority]] = set()
        self._asked = 0
        """Lanes and deliveries told of since the last hints left."""
        self._thread: threading.Thread | None = None

    def digest(self, lanes: Iterable[int], *, urgent: bool = False) -> None:
        """See `Hints.digest`."""
        wanted = list(lanes)
        with self._lock:
            self._asked += len(wanted)
            (self._urgent_lanes if urgent else self._lanes).update(wanted)
        if urgent:
            self._hurry.set()
        self._start()

    def deliver(self, work: Iterable[tuple[Channel, Priority]]) -> None:
        """See `Hints.deliver`."""
        wanted = list(work)
        with self._lock:
            self._asked += len(wanted)
            self._work.update(wanted)
        if any(priority is Priority.URGENT for _, priority in wanted):
            self._hurry.set()
        self._start()

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="hints", daemon=True)
                    self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        interval, began = INTERVAL, monotonic()
        while True:
            self._wake.wait()
            self._wake.clear()
            last, began = began, monotonic()
            with self._lock:
                # Judged by how many there were, not whether there were any: five events a second would keep a burst going for ever.
                is_burst = self._asked * INTERVAL > began - last
                interval, self._asked = min(2 * interval, LONGEST_INTERVAL) if is_burst else INTERVAL, 0
                lanes, self._lanes = sorted(self._lanes), set()
                urgent, self._urgent_lanes = sorted(self._urgent_lanes), set()
                work, self._work = sorted(self._work), set()
            pause = interval
            try:
                self._publish(lanes, urgent, work)
            except Exception as exc:
                # Whatever a broker can raise: a hint is never worth more than a line in the log.
                log.warning("hint.lost", error=type(exc).__name__)
                pause = BROKER_PAUSE
            self._idle(pause - (monotonic() - began))

    def _idle(self, seconds: float) -> None:
        if seconds > 0:
            sleep(min(seconds, INTERVAL))
        self._hurry.wait(max(0.0, seconds - INTERVAL))
        self._hurry.clear()

    def _publish(self, lanes: list[int], urgent: list[int], work: list[tuple[Channel, Priority]]) -> None:
        if urgent:
            send_hint(self._app, "workers.tasks.digest", (urgent, True), "urgent")
        if lanes:
            send_hint(self._app, "workers.tasks.digest", (lanes,), "engine")
        for channel, priority in work:
            args = (str(channel), str(priority))
            send_hint(self._app, "workers.tasks.deliver", args, queue_of(channel, priority))
