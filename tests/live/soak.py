"""Soak: a whole installation under steady load, and whether its memory stays where it was.

    .venv/bin/python -m tests.live.soak --minutes 10

People come, come back and are written to; now and then items are bad, bodies too large, and messages told twice, as life is.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from engage.bench.accounting import memory_bytes
from engage.cli.client import Client, ClientError
from tests.live.stack import Stack, as_source, eventually, running_stack, send_surely

PROCESSES = ("api", "worker-engine", "worker-deliver", "beat")
EVERY_SECONDS = 2.0
BATCH = 100
KNOWN_PEOPLE = 2_000
GROWTH = 1.05
"""Of the last quarter over the second one: what may be noise."""
SLACK_BYTES = 6 * 1024 * 1024
JOURNEY = {
    "journey": "thanks",
    "trigger": {"event": "Bought"},
    "entry": {"where": "entry.total >= 990", "reentry": "always"},
    "steps": [
        {"sms": {"text": "Thank you, {{ profile.first_name | default('friend') }}"}},
        {"wait": "5 seconds"},
    ],
}
AUDIENCE = {"audience": "buyers", "where": "count('Bought', within='30 seconds') >= 3"}


@dataclass(slots=True)
class Soaked:
    """What a soak saw."""

    sent: int = 0
    bad: int = 0
    samples: list[dict[str, int]] = field(default_factory=list)
    """PSS in bytes by process."""

    def growth(self) -> dict[str, tuple[float, float]]:
        """Return by process the median of the second quarter and of the last, in bytes: the first is for warming up."""
        quarter = len(self.samples) // 4
        early, late = self.samples[quarter : 2 * quarter], self.samples[3 * quarter :]
        return {name: (_middle(early, name), _middle(late, name)) for name in self.samples[0]}

    def grown(self) -> dict[str, tuple[float, float]]:
        """Return who has grown by more than noise."""
        return {
            name: (early, late)
            for name, (early, late) in self.growth().items()
            if late > early * GROWTH and late > early + SLACK_BYTES
        }


def _middle(samples: Sequence[dict[str, int]], name: str) -> float:
    return statistics.median(sample[name] for sample in samples)


def _batches() -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Yield batches with how many of their items nobody can take."""
    for number in count():
        items: list[dict[str, Any]] = []
        for place in range(BATCH):
            who = f"u{(number * 37 + place * 11) % KNOWN_PEOPLE}" if place % 20 else f"new-{number}-{place}"
            message = {"userId": who, "anonymousId": f"a-{who}", "messageId": f"{number}-{place}"}
            if place % 10 == 0:
                traits = {
                    "firstName": f"N{place}",
                    "phone": f"+1415{5550000 + number * BATCH + place:07d}"[:12],
                }
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
    stack: Stack, minutes: float, batches_a_second: float = 4.0, tell: Callable[[str], object] = print
) -> Soaked:
    """Load an installation for so long, and return what was seen."""
    stack.publish(
        as_source("settings", "settings", {"quiet_hours": "off"}),
        as_source("audience", "buyers", AUDIENCE),
        as_source("journey", "thanks", JOURNEY),
    )
    found, over = Soaked(), threading.Event()
    loader = threading.Thread(target=_load, args=(stack, found, over, batches_a_second))
    loader.start()
    try:
        roots = {name: stack.supervisor.pid(name) for name in PROCESSES}
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until:
            time.sleep(EVERY_SECONDS)
            found.samples.append(memory_bytes(roots))
            if len(found.samples) % 15 == 0:
                shown = ", ".join(f"{name} {size / 2**20:.1f}" for name, size in found.samples[-1].items())
                tell(f"{len(found.samples) * EVERY_SECONDS:5.0f} s  {found.sent:7} events  MB: {shown}")
    finally:
        over.set()
        loader.join()
    assert eventually(stack.idle, 120), "it does not come to rest"
    return found


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


def verdict(stack: Stack, found: Soaked) -> dict[str, Any]:
    """Return what became of it, as JSON has it."""
    growth = {name: [round(size / 2**20, 1) for size in pair] for name, pair in found.growth().items()}
    return {
        "sent": found.sent,
        "stored": stack.count("SELECT count(*) FROM seen WHERE starts_with(source, 'key:')"),
        "waiting": stack.count("SELECT count(*) FROM inbox"),
        "bad": found.bad,
        "quarantined": stack.count("SELECT count(*) FROM quarantine"),
        "mb_second_and_last_quarter": growth,
        "grown": sorted(found.grown()),
    }


def main() -> None:
    """Soak for as long as asked and print the verdict; exits 1 if memory grew or anything is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=4.0, help="batches of 100 a second")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="engage-soak-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running_stack(folder) as stack:
            found = verdict(stack, soak(stack, asked.minutes, asked.rate))
    print(json.dumps(found))
    whole = found["sent"] == found["stored"] and found["bad"] == found["quarantined"] and not found["waiting"]
    raise SystemExit(0 if whole and not found["grown"] else 1)


if __name__ == "__main__":
    main()
