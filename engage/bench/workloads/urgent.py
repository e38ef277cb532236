"""Workload U: how long a code takes, from the API call to the provider: alone, while a broadcast is going out, and while the
provider takes two seconds for an answer to it.
"""

from engage.bench.children import play
from engage.bench.codes import ask_for_codes, post, waits
from engage.bench.figures import Budget, Figures, latencies
from engage.bench.load import Plan, Play
from engage.bench.stack import BenchError, Stack, until
from engage.bench.workload import Place, Wish, Workload

PROFILES = 100_000
SECONDS = 20.0
"""Of each of the three."""
RATE = 10.0
"""Codes a second."""
FIRST, CODES_FIRST = 2_000_000, 4_000_000
BATCH = 100
DIGESTED_SECONDS = 600.0
BROADCAST_SECONDS = 120.0
SLOW_SECONDS = 2.0


def run_urgent(stack: Stack, profiles: int, seconds: float) -> Figures:
    """Make people known, ask for codes, start a broadcast to all of them, and ask for codes while it is under way.

    Raises:
        BenchError: the broadcast does not begin or does not end, or a code did not arrive.
    """
    known = Plan(
        url=stack.url, write_key=stack.write_key, source="Uk", first=FIRST, count=profiles, play=Play.KNOWN, batch=BATCH
    )  # fmt: skip
    play(known, limit=DIGESTED_SECONDS)
    until(lambda: not stack.count("SELECT count(*) FROM inbox"), DIGESTED_SECONDS, "U: digest is behind")
    _codes(stack, CODES_FIRST, 1.0)
    alone = _codes(stack, CODES_FIRST + 100_000, seconds)
    before = stack.sink.stats()["accepted"]
    _open_doors(stack, profiles)
    until(lambda: stack.sink.stats()["accepted"] - before > 500, BROADCAST_SECONDS, "U: no broadcast begins")
    during = _codes(stack, CODES_FIRST + 200_000, seconds)
    stack.sink.be_slow(SLOW_SECONDS)
    slow = _codes(stack, CODES_FIRST + 300_000, seconds)
    stack.sink.be_slow(0.0)
    codes = 3 * int(seconds * RATE)
    waiting = profiles - (stack.sink.stats()["accepted"] - before)
    faults = [] if waiting > 0 else ["the broadcast ended before the last code: ask for more profiles"]
    until(
        lambda: stack.sink.stats()["accepted"] - before >= profiles + codes * 2 // 3,
        DIGESTED_SECONDS,
        "U: the broadcast does not end",
    )
    more = {
        f"{share}_{name}": ms
        for name, found in (("alone", alone), ("slow_provider", slow))
        for share, ms in found.items()
    }
    return Figures(
        p50_ms=during["p50_ms"],
        p95_ms=during["p95_ms"],
        p99_ms=during["p99_ms"],
        more={**more, "codes": float(codes), "broadcast_left": float(waiting)},
        faults=faults,
    )


def _codes(stack: Stack, first: int, seconds: float) -> dict[str, float]:
    return latencies(waits(stack, ask_for_codes(stack, first, RATE, most=int(seconds * RATE))))


def _open_doors(stack: Stack, profiles: int) -> None:
    signal = {
        "event": "Doors Open",
        "messageId": f"U-{profiles}",
        "properties": {"order_id": "doors", "total": 1},
    }
    status, said = post(stack, "/v1/signals", signal, stack.write_key)
    if status not in (200, 202):
        raise BenchError(f"/v1/signals answered {status}: {said}")


def _run(place: Place, wish: Wish) -> Figures:
    return run_urgent(place.stack, wish.profiles or PROFILES, wish.seconds or SECONDS)


WORKLOAD = Workload(
    name="U",
    about="a code by the API during a broadcast, until the provider has it; alone; and with a provider of 2 s",
    budget=Budget(at_most={"p99_ms": 1000, "p99_ms_slow_provider": 1000}),
    run=_run,
    alone=True,
)
