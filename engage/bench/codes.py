"""Codes: somebody who asks for one-time codes by the API, on time whatever happens to the others, and sees when they leave."""

import http.client
import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import urlsplit

from engage.bench.customers import phone_of
from engage.bench.stack import BenchError, Stack, until

AT_ONCE = 16
AGAIN_SECONDS = 0.1
PATIENCE = 120.0
_COME_BACK = (429, 503)


def ask_for_codes(
    stack: Stack, first: int, rate: float, over: threading.Event | None = None, *, most: int = 1_000_000
) -> dict[str, float]:
    """Ask for `rate` codes a second until `over`, or `most` of them; return by phone number when each was to be asked for.

    The instants are of the monotonic clock, and those of the plan: a request that had to wait for a thread waited.

    Raises:
        BenchError: one was refused for good.
    """
    due, over, start = dict[str, float](), over or threading.Event(), time.monotonic()
    asked: list[Future[None]] = []
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="codes") as pool:
        for number in range(most):
            at = start + number / rate
            if over.wait(max(0.0, at - time.monotonic())):
                break
            phone = phone_of(first + number)
            due[phone] = at
            asked.append(pool.submit(_ask, stack, phone))
        for one in asked:
            one.result()
    return due


def waits(stack: Stack, due: dict[str, float]) -> list[float]:
    """Return how long each code took to the provider, in seconds.

    Raises:
        BenchError: one did not arrive.
    """

    def arrived() -> dict[str, float]:
        arrivals = stack.sink.arrivals()
        return {phone: arrivals[phone][0] for phone in due if phone in arrivals}

    until(lambda: len(arrived()) == len(due), PATIENCE, "a code did not arrive")
    return [at - due[phone] for phone, at in arrived().items()]


def _ask(stack: Stack, phone: str) -> None:
    body = {"to": phone, "channel": "sms", "topic": "codes", "text": "Your code is 424242."}
    deadline = time.monotonic() + PATIENCE
    while (answer := post(stack, "/v1/deliveries", body, stack.api_token))[0] not in (200, 202):
        if answer[0] not in _COME_BACK or time.monotonic() > deadline:
            raise BenchError(f"/v1/deliveries answered {answer[0]}: {answer[1]}")
        time.sleep(AGAIN_SECONDS)


def post(stack: Stack, path: str, body: object, token: str) -> tuple[int, str]:
    """Post one body over a connection of its own; return the status and what was said."""
    where = urlsplit(stack.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()
