"""Broker: kombu's Redis transport without the client it builds anew for every message, and with queues that have an end."""

from typing import Any

from kombu.transport import redis as transport
from redis.exceptions import ConnectionError as BrokerGoneError

MOST_WAITING = 1_000
"""Hints in one queue. More wait only where nobody takes them: then the oldest go, and the sweep finds the work. RabbitMQ drops a
hint itself once it has expired; Redis and Valkey know nothing of that, and a weekend without workers would be a million hints."""


class KeptChannel(transport.Channel):
    """A channel that keeps its client: one is 170 callbacks in a table, and a task needs three of them."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[no-untyped-call]  # kombu is not typed
        if self.connection.client is None:
            # Closed after its connection, with messages in hand. kombu stumbles here, and the worker would end with 0;
            # as a broken connection it is expected. What was in hand was a hint: the sweep finds the work.
            raise BrokerGoneError("the connection is closed")
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()  # type: ignore[no-untyped-call]  # kombu is not typed
        return self._kept

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        super()._put(queue, message, **kwargs)  # type: ignore[no-untyped-call]  # kombu is not typed
        with self.conn_or_acquire() as client:
            # New ones come in on the left, and are taken from the right.
            client.ltrim(queue, 0, MOST_WAITING - 1)


def keep_clients() -> None:
    """Have every connection to Redis or Valkey from now on use such channels. Other brokers are not touched."""
    transport.Transport.Channel = KeptChannel
