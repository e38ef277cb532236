"""A worker whose broker dies goes on when it is back: closing what is broken raises nothing that would end it."""

import os
import signal
from pathlib import Path

import pytest
from kombu.common import ignore_errors
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.messaging import Producer

from engage.embedded import start_valkey
from workers.broker import MOST_WAITING, keep_clients

pytestmark = pytest.mark.live


def test_a_connection_that_dies_with_a_message_in_hand_closes_without_an_accident(services_dir: Path) -> None:
    folder = services_dir / "dying"
    folder.mkdir()
    keep_clients()
    server = start_valkey(folder, fast=True)
    connection = Connection(server.url)
    try:
        channel = connection.default_channel
        queue = Queue("hints")(channel)
        queue.declare()
        Producer(channel).publish("lane 7", routing_key="hints")
        assert queue.get() is not None  # not acknowledged: somebody is at it
        os.kill(server.pid, signal.SIGKILL)
        connection._do_close_transport()  # as `collect` leaves it where the socket breaks at the wrong moment

        ignore_errors(connection, connection.close)  # what Celery does before it connects again
    finally:
        server.stop()


def test_of_hints_that_nobody_takes_the_newest_are_kept(valkey_url: str) -> None:
    keep_clients()
    with Connection(valkey_url) as connection:
        channel = connection.default_channel
        queue = Queue("forgotten")(channel)
        queue.declare()
        producer = Producer(channel)
        for number in range(MOST_WAITING + 500):
            producer.publish(f"lane {number}", routing_key="forgotten")

        kept = [queue.get(no_ack=True).payload for _ in range(MOST_WAITING)]

        assert (kept[0], kept[-1]) == ("lane 500", f"lane {MOST_WAITING + 499}")
        assert queue.get() is None
