"""Actors: a client that sends events until each is accepted, and people who say no and remember when they were heard."""

import threading
import time
from datetime import UTC, datetime
from random import Random

from engage.chaos.installation import Installation
from engage.chaos.story import calls_of, mail, order_of, phone
from engage.cli.client import Client, ClientError
from engage.testing.invariants import No

BATCH = 20
"""People a request tells of."""
RETRY_SECONDS = 0.3
OUR_NUMBER = "+15005550006"


class Actors:
    """Everybody outside, each in a thread of their own; what they know is read once they are done."""

    def __init__(self, place: Installation, people: int, seconds: float, seed: int) -> None:
        """Have `people` order within `seconds`; one in ten says no sooner or later."""
        self.told: dict[str, str] = {}
        """Events that were answered "accepted", and whom they are about."""
        self.noes: list[No] = []
        self._place, self._people, self._seconds = place, people, seconds
        self._random = Random(seed)  # noqa: S311  # choices of a test, no secrets
        self._threads = [
            threading.Thread(target=work, name=work.__name__, daemon=True)
            for work in (self._order, self._refuse)
        ]

    @property
    def done(self) -> bool:
        """Whether everything was said and answered."""
        return not any(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def _order(self) -> None:
        began = time.monotonic()
        with self._place.events() as client:
            for first in range(0, self._people, BATCH):
                group = range(first, min(first + BATCH, self._people))
                _surely(client, "POST", "/v1/batch", {"batch": [c for p in group for c in calls_of(p)]})
                self.told.update({order_of(person): f"p{person}" for person in group})
                _until(began + self._seconds * (first + BATCH) / self._people)

    def _refuse(self) -> None:
        """Say no by text and by API, while messages are on their way."""
        began, sayers = time.monotonic(), self._random.sample(range(self._people), self._people // 10)
        with self._place.api() as api, self._place.sandbox() as sandbox:
            for index, person in enumerate(sorted(sayers)):
                # Somewhat after the order: while the journey is under way.
                _until(began + self._seconds * person / self._people + self._random.uniform(0.5, 5))
                if index % 2:
                    self._by_text(sandbox, person)
                else:
                    self._by_api(api, person)

    def _by_api(self, api: Client, person: int) -> None:
        wish = {
            "profile": f"email:{mail(person)}",
            "channel": "email",
            "topic": "offers",
            "state": "unsubscribed",
            "source": "chaos",
        }
        _surely(api, "PUT", "/v1/subscriptions", {"subscriptions": [wish]})
        self.noes.append(No(since=datetime.now(UTC), channel="email", address=mail(person), topic="offers"))

    def _by_text(self, sandbox: Client, person: int) -> None:
        body = {
            "channel": "sms",
            "from": phone(person),
            "to": OUR_NUMBER,
            "body": "STOP",
            "id": f"SM{person:032x}",
        }
        while True:
            answer = _surely(sandbox, "POST", "/_sandbox/inbound", body)
            if isinstance(answer, dict) and answer.get("status") in (200, 204):
                break
            time.sleep(RETRY_SECONDS)
        self.noes.append(No(since=datetime.now(UTC), channel="sms", address=phone(person)))


def _surely(client: Client, method: str, path: str, body: object) -> object:
    """Send as Segment's clients do: again, until the server says that it has it."""
    while True:
        try:
            return client.call(method, path, body, timeout=10)
        except ClientError:
            time.sleep(RETRY_SECONDS)


def _until(instant: float) -> None:
    time.sleep(max(0.0, instant - time.monotonic()))
