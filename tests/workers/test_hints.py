"""Hints reach the queue of those who can act on them, and what is urgent waits for no burst."""

import threading
from statistics import median
from time import monotonic, sleep
from typing import Any

from celery import Celery

from engage.domain.delivery.delivery import Channel, Priority
from workers.hints import LONGEST_INTERVAL, CeleryHints, queue_of


class Published(Celery):  # type: ignore[misc]  # Celery has no types
    """Keeps what would have gone to the broker."""

    def __init__(self) -> None:
        super().__init__("test", broker="memory://")
        self.tasks_sent: list[tuple[float, str, str, tuple[Any, ...]]] = []
        self.news = threading.Condition()

    def send_task(self, name: str, args: tuple[Any, ...] = (), *, queue: str = "", **_: Any) -> None:
        with self.news:
            self.tasks_sent.append((monotonic(), name, queue, args))
            self.news.notify_all()

    def until(self, count: int) -> list[tuple[float, str, str, tuple[Any, ...]]]:
        with self.news:
            assert self.news.wait_for(lambda: len(self.tasks_sent) >= count, timeout=10)
            return list(self.tasks_sent)


def test_lanes_that_somebody_waits_for_go_to_the_urgent_worker() -> None:
    app = Published()
    hints = CeleryHints(app)

    hints.digest([3], urgent=True)

    (_, name, queue, args), *_ = app.until(1)
    assert (name, queue, args) == ("workers.tasks.digest", "urgent", ([3], True))


def test_the_last_hints_of_a_burst_leave_together() -> None:
    app = Published()
    hints = CeleryHints(app)

    for lane in range(50):
        hints.digest([lane])

    deadline = monotonic() + 10
    while monotonic() < deadline and {lane for *_, args in app.tasks_sent for lane in args[0]} != set(
        range(50)
    ):
        threading.Event().wait(0.01)
    assert {lane for *_, args in app.tasks_sent for lane in args[0]} == set(range(50))
    assert len(app.tasks_sent) < 10


def test_what_comes_now_and_then_waits_for_no_burst_that_is_over() -> None:
    app = Published()
    hints = CeleryHints(app)
    for _ in range(150):
        hints.digest([99])
        sleep(0.005)

    began = []
    for lane in range(9):
        began.append(monotonic())
        hints.digest([lane])
        sleep(0.2)

    left = {lane: at for at, _, _, args in reversed(app.tasks_sent) for lane in args[0]}
    assert median(left[lane] - at for lane, at in enumerate(began)) < LONGEST_INTERVAL / 5


def test_what_is_urgent_waits_for_no_burst() -> None:
    app = Published()
    hints = CeleryHints(app)
    stop = threading.Event()

    def burst() -> None:
        while not stop.wait(0.001):
            hints.digest([1])

    running = threading.Thread(target=burst)
    running.start()
    try:
        app.until(6)  # The pauses have grown to their longest.
        began = monotonic()
        hints.deliver({(Channel.SMS, Priority.URGENT)})
        while not (left := [at for at, _, queue, _ in list(app.tasks_sent) if queue == "urgent"]):
            assert monotonic() - began < 10
            threading.Event().wait(0.001)
    finally:
        stop.set()
        running.join()

    assert left[0] - began < LONGEST_INTERVAL / 2


def test_every_channel_and_class_has_a_queue() -> None:
    assert queue_of(Channel.VOICE, Priority.URGENT) == "urgent"
    assert queue_of(Channel.MMS, Priority.BULK) == "sms"
    assert queue_of(Channel.EMAIL, Priority.LIVE) == "email"
