"""Workload U: how long a code takes, from the API call to the provider, while a broadcast is going out."""

import http.client
import json
import time
from urllib.parse import urlsplit

from engage.bench.children import play
from engage.bench.customers import phone_of
from engage.bench.figures import Budget, Figures, latencies
from engage.bench.load import Plan, Play
from engage.bench.stack import BenchError, Stack, until
from engage.bench.workload import Place, Wish, Workload

PROFILES = 100_000
SECONDS = 20.0
RATE = 10.0
"""Codes a second."""
FIRST, CODES_FIRST = 2_000_000, 4_000_000
BATCH = 100
DIGESTED_SECONDS = 600.0
BROADCAST_SECONDS = 120.0


def run_urgent(stack: Stack, profiles: int, seconds: float) -> Figures:
    """Make people known, start a broadcast to all of them, and ask for codes while it is under way.

    Raises:
        BenchError: the broadcast does not begin, ends too early to have been overtaken, or a code did not arrive.
    """
    known = Plan(
        url=stack.url,
        write_key=stack.write_key,
        source="Uk",
        first=FIRST,
        count=profiles,
        play=Play.KNOWN,
        batch=BATCH,
    )
    play(known, limit=DIGESTED_SECONDS)
    until(lambda: not stack.count("SELECT count(*) FROM inbox"), DIGESTED_SECONDS, "U: digest is behind")
    before = stack.sink.stats()["accepted"]
    signal = {
        "event": "Doors Open",
        "messageId": f"U-{profiles}",
        "properties": {"order_id": "doors", "total": 1},
    }
    _post(stack, "/v1/signals", signal, stack.write_key)
    until(lambda: stack.sink.stats()["accepted"] - before > 500, BROADCAST_SECONDS, "U: no broadcast begins")
    sent = _ask_for_codes(stack, int(seconds * RATE))
    waiting = profiles - (stack.sink.stats()["accepted"] - before)
    until(lambda: len(_arrived(stack, sent)) == len(sent), BROADCAST_SECONDS, "U: a code did not arrive")
    found = latencies([arrived - sent[phone] for phone, arrived in _arrived(stack, sent).items()])
    faults = [] if waiting > 0 else ["the broadcast ended before the last code: ask for more profiles"]
    until(
        lambda: stack.sink.stats()["accepted"] - before >= profiles + len(sent),
        DIGESTED_SECONDS,
        "U: the broadcast does not end",
    )
    return Figures(
        p50_ms=found["p50_ms"],
        p95_ms=found["p95_ms"],
        p99_ms=found["p99_ms"],
        more={"codes": float(len(sent)), "broadcast_left": float(waiting)},
        faults=faults,
    )


def _ask_for_codes(stack: Stack, count: int) -> dict[str, float]:
    """Return by phone number when each code was asked for, on the monotonic clock."""
    sent: dict[str, float] = {}
    start = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, start + number / RATE - time.monotonic()))
        phone = phone_of(CODES_FIRST + number)
        body = {"to": phone, "channel": "sms", "topic": "codes", "text": "Your code is 424242."}
        sent[phone] = time.monotonic()
        _post(stack, "/v1/deliveries", body, stack.api_token)
    return sent


def _arrived(stack: Stack, sent: dict[str, float]) -> dict[str, float]:
    arrivals = stack.sink.arrivals()
    return {phone: arrivals[phone][0] for phone in sent if phone in arrivals}


def _post(stack: Stack, path: str, body: object, token: str) -> None:
    where = urlsplit(stack.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    if answer.status not in (200, 202):
        raise BenchError(f"{path} answered {answer.status}: {said.decode(errors='replace')}")


def _run(place: Place, wish: Wish) -> Figures:
    return run_urgent(place.stack, wish.profiles or PROFILES, wish.seconds or SECONDS)


WORKLOAD = Workload(
    name="U",
    about="a code by the API during a broadcast, until the provider has it",
    budget=Budget(at_most={"p99_ms": 1000}),
    run=_run,
    alone=True,
)
