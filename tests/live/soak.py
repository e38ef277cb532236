"""Soak: a whole installation under steady load in changing weather, and whether its memory and its lag stay where they were.

    .venv/bin/python -m tests.live.soak --minutes 30

People come, come back and are written to; now and then items are bad, bodies too large, and messages told twice, as life is.
For a part of the time the provider takes two seconds for an answer, for another it refuses four calls of five with 429.
"""

import argparse
import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from engage.bench.watch import MEGABYTE, Sample, Watch, middle
from engage.cli.client import Client, ClientError
from tests.live.stack import Stack, as_source, eventually, running_stack, send_surely

PROCESSES = ("api", "worker-engine", "worker-deliver", "worker-urgent", "beat")
BATCH = 100
KNOWN_PEOPLE = 2_000
GROWTH = 1.05
"""Of the end over the beginning: what may be noise."""
SLACK_BYTES = 10 * MEGABYTE
"""Fifty threads that waited for a slow provider stay, and a fork's pages become its own: 7.8 MB in the deliver worker, flat after it."""
JUDGED = ("api", "worker-engine", "worker-deliver", "worker-urgent", "beat", "valkey")
"""Whose memory must not grow; PostgreSQL fills its buffers with what there is."""
CODE_SECONDS = 2.0
"""A code is asked for as often."""
SETTINGS = {
    "quiet_hours": "off",
    "topics": {"codes": {"transactional": True, "urgent": True}, "orders": {"transactional": True}},
}
TEXTS = {
    "journey": "thanks",
    "topic": "orders",
    "trigger": {"event": "Bought"},
    "entry": {"where": "entry.total >= 900", "reentry": "always"},
    "steps": [
        {"sms": {"text": "Thank you, {{ profile.first_name | default('friend') }}"}},
        {"wait": "5 seconds"},
    ],
}
MAILS = {
    "journey": "letters",
    "topic": "orders",
    "trigger": {"event": "Bought"},
    "entry": {"where": "entry.total < 50", "reentry": "always"},
    "steps": [{"email": {"subject": "Your order", "text": "It was {{ entry.total }} in all."}}],
}
AUDIENCE = {"audience": "buyers", "where": "count('Bought', within='30 seconds') >= 3"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """A weather, and for which part of the whole time."""

    weather: str
    share: float
    faults: tuple[dict[str, Any], ...] = ()
    least_seconds: float = 0.0


PHASES = (
    # After a minute beat has had everything done that is done at all, and workers have read the modules for it.
    Phase(weather="warm-up", share=0.15, least_seconds=75.0),
    Phase(weather="before", share=0.2),
    Phase(weather="slow", share=0.15, faults=({"fault": "slow", "seconds": 2.0},)),
    Phase(weather="between", share=0.1),
    Phase(weather="storm", share=0.15, faults=({"fault": "429", "retry_after": 2.0, "probability": 0.8},)),
    Phase(weather="clearing", share=0.05),
    Phase(weather="after", share=0.2),
)


@dataclass(slots=True)
class Soaked:
    """What a soak saw."""

    watch: Watch
    sent: int = KNOWN_PEOPLE
    bad: int = 0
    asked: list[tuple[str, str, datetime]] = field(default_factory=list)
    """Codes: weather, number, when."""

    def growth(self) -> dict[str, tuple[float, float]]:
        """Return by process the median before bad weather and after it, in bytes."""
        early, late = self.watch.under("before"), self.watch.under("after")
        return {name: (middle(early, name), middle(late, name)) for name in early[0].memory}

    def grown(self) -> dict[str, tuple[float, float]]:
        """Return who has grown by more than noise."""
        return {
            name: (early, late)
            for name, (early, late) in self.growth().items()
            if name in JUDGED and late > early * GROWTH and late > early + SLACK_BYTES
        }


def phone(number: int) -> str:
    """Return the number of one of the people who are known."""
    return f"+1415{2_000_000 + number}"


def _batches() -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Yield batches with how many of their items nobody can take."""
    for number in count():
        items: list[dict[str, Any]] = []
        for place in range(BATCH):
            one = (number * 37 + place * 11) % KNOWN_PEOPLE
            who = f"u{one}" if place % 20 else f"new-{number}-{place}"
            message = {"userId": who, "anonymousId": f"a-{who}", "messageId": f"{number}-{place}"}
            if place % 10 == 0:
                traits = {"firstName": f"N{place}"}
                items.append({**message, "type": "identify", "traits": traits})
            else:
                total = (number * 31 + place * 17) % 1000
                items.append({**message, "type": "track", "event": "Bought", "properties": {"total": total}})
        items.append(items[-1])  # told twice
        items += [
            {"type": "track", "messageId": f"{number}-bad"},
            {"type": "nonsense", "messageId": f"{number}-worse"},
        ]
        yield items, 2


def soak(
    stack: Stack,
    minutes: float,
    batches_a_second: float = 4.0,
    tell: Callable[[str], object] = print,
    into: Path | None = None,
) -> Soaked:
    """Load an installation for so long, and return what was seen."""
    stack.publish(
        as_source("settings", "settings", SETTINGS),
        as_source("audience", "buyers", AUDIENCE),
        as_source("journey", "thanks", TEXTS),
        as_source("journey", "letters", MAILS),
    )
    _introduce(stack)
    roots = {name: stack.supervisor.pid(name) for name in PROCESSES} | stack.services.pids()
    watch = Watch(roots, stack.services.database_url, stack.services.broker_url, tell=tell, into=into)
    watch.every_seconds = min(watch.every_seconds, minutes)
    found = Soaked(watch)
    over = threading.Event()
    loaders = [
        threading.Thread(target=_load, args=(stack, found, over, batches_a_second)),
        threading.Thread(target=_ask_for_codes, args=(stack, found, over)),
    ]
    with found.watch.watching():
        for loader in loaders:
            loader.start()
        try:
            for phase in PHASES:
                found.watch.weather = phase.weather
                _let_it_be(stack, phase)
                time.sleep(max(minutes * 60 * phase.share, phase.least_seconds))
        finally:
            over.set()
            for loader in loaders:
                loader.join()
    assert eventually(stack.idle, 120), "it does not come to rest"
    return found


def _introduce(stack: Stack) -> None:
    calls = [
        {"type": "identify", "userId": f"u{one}", "messageId": f"hello-{one}",
         "traits": {"phone": phone(one), "email": f"u{one}@x.example"}}
        for one in range(KNOWN_PEOPLE)
    ]  # fmt: skip
    with stack.events() as client:
        for begin in range(0, KNOWN_PEOPLE, BATCH):
            send_surely(client, "/v1/batch", {"batch": calls[begin : begin + BATCH]}, stack.heal)


def _let_it_be(stack: Stack, phase: Phase) -> None:
    with stack.sandbox() as sandbox:
        sandbox.call("POST", "/_sandbox/faults", list(phase.faults), timeout=30)


def _load(stack: Stack, found: Soaked, over: threading.Event, rate: float) -> None:
    began = time.monotonic()
    with stack.events() as client, Client(stack.url, user=stack.key) as clumsy:
        for number, (items, bad) in enumerate(_batches()):
            if over.wait(max(0.0, began + number / rate - time.monotonic())):
                return
            send_surely(client, "/v1/batch", {"batch": items}, stack.heal)
            found.sent += len(items) - bad - 1
            found.bad += bad
            if number % 10 == 0:
                for body in ({"batch": ["x" * 600_000]}, [1]):
                    try:
                        clumsy.call("POST", "/v1/batch", body)
                    except ClientError:
                        continue


def _ask_for_codes(stack: Stack, found: Soaked, over: threading.Event) -> None:
    pauses = random.Random(1)  # so that codes are not in step with batches
    with stack.api() as api:
        for number in count():
            if over.wait(pauses.uniform(0.5, 1.5) * CODE_SECONDS):
                return
            to = f"+1628{2_000_000 + number}"
            found.asked.append((found.watch.weather, to, datetime.now(UTC)))
            body = {"to": to, "channel": "sms", "topic": "codes", "text": f"code {number}"}
            api.call("POST", "/v1/deliveries", body)


def verdict(stack: Stack, found: Soaked) -> dict[str, Any]:
    """Return what became of it, as JSON has it."""
    with stack.sandbox() as sandbox:
        taken = sandbox.call("GET", "/_sandbox/messages", timeout=120)["messages"]
    refs = Counter(message["ref"] for message in taken)
    growth = {name: [round(size / MEGABYTE, 1) for size in pair] for name, pair in found.growth().items()}
    return {
        "sent": found.sent,
        "stored": stack.count("SELECT count(*) FROM seen WHERE starts_with(source, 'key:')"),
        "waiting": stack.count("SELECT count(*) FROM inbox"),
        "bad": found.bad,
        "quarantined": stack.count("SELECT count(*) FROM quarantine"),
        "deliveries": dict(
            stack.rows(
                "SELECT status || coalesce(': ' || reason, ''), count(*) FROM delivery GROUP BY 1 ORDER BY 1"
            )
        ),
        "taken": len(taken),
        "taken_twice": sum(times > 1 for times in refs.values()),
        "mb_before_and_after": growth,
        "grown": sorted(found.grown()),
        "worst": {phase.weather: worst(found.watch.under(phase.weather)) for phase in PHASES},
        "codes": codes(found, {m["to"]: datetime.fromisoformat(m["accepted_at"]) for m in taken}),
    }


def worst(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the worst of what was seen, and the last of it."""
    return {
        **{
            name: max(getattr(sample, name) for sample in samples)
            for name in ("hints", "inbox", "lag_seconds", "unsent", "late_seconds", "timers_late_seconds")
        },
        "last_lag_seconds": samples[-1].lag_seconds,
        "last_late_seconds": samples[-1].late_seconds,
    }


def codes(found: Soaked, taken: dict[str, datetime]) -> dict[str, dict[str, float]]:
    """Return by weather how long codes took to the provider, in seconds, and how many never came there."""
    table: dict[str, dict[str, float]] = {}
    for phase in PHASES:
        asked = {to: at for weather, to, at in found.asked if weather == phase.weather}
        waits = sorted((taken[to] - at).total_seconds() for to, at in asked.items() if to in taken)
        if waits:
            table[phase.weather] = {
                "asked": len(asked),
                "missing": len(asked) - len(waits),
                "p50": round(waits[len(waits) // 2], 3),
                "p95": round(waits[int(0.95 * len(waits))], 3),
                "worst": round(waits[-1], 3),
            }
    return table


def main() -> None:
    """Soak for as long as asked and print the verdict; exits 1 if memory grew or anything is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=4.0, help="batches of 100 a second")
    parser.add_argument("--samples", type=Path, help="a file for every look, as lines of JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="engage-soak-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running_stack(folder) as stack:
            found = verdict(stack, soak(stack, asked.minutes, asked.rate, into=asked.samples))
    print(json.dumps(found))
    whole = found["sent"] == found["stored"] and found["bad"] == found["quarantined"] and not found["waiting"]
    raise SystemExit(0 if whole and not found["grown"] and not found["taken_twice"] else 1)


if __name__ == "__main__":
    main()
