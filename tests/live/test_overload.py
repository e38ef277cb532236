"""More than fits, and providers that are slow or want us to wait: nothing is lost or doubled, nobody else waits, and it passes."""

import os
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from engage.bench.accounting import memory_bytes
from engage.bench.children import play
from engage.bench.load import Plan, Play
from tests.live.stack import Stack, as_source, eventually, running_stack, send_surely

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(600)]

SETTINGS = {
    "quiet_hours": "off",
    "topics": {
        "codes": {"transactional": True, "urgent": True},
        "orders": {"transactional": True},
    },
}
CALL_SECONDS = 4.0
"""What a slow provider takes for an answer."""
PEOPLE = 6_000
HINTS = 100
"""Tasks that may wait in the broker, however much lies in the tables."""
GROWTH_BYTES = 100 * 1024 * 1024
"""What a process may take more while it is flooded: what waits in it is bounded (64 MB in the API)."""
PROCESSES = ("api", "worker-engine", "worker-deliver", "worker-urgent")


def journey(name: str, channel: str) -> dict[str, Any]:
    return {
        "journey": name,
        "topic": "orders",
        "trigger": {"event": name},
        "entry": {"reentry": "never"},
        "steps": [{channel: {"text": f"{name} for {{{{ profile.name }}}}"}}],
    }


@pytest.fixture(scope="module")
def stack(services_dir: Path) -> Iterator[Stack]:
    with running_stack(services_dir / "overload") as running:
        running.publish(
            as_source("settings", "settings", SETTINGS),
            as_source("journey", "texts", journey("texts", "sms")),
            as_source("journey", "mails", journey("mails", "email")),
            as_source("journey", "rolls", journey("rolls", "sms")),
            as_source("journey", "storm", journey("storm", "sms")),
        )
        waits(running, ask_for_codes(running, seconds=1, rate=1, first=9_000))  # its workers are there
        yield running


@pytest.fixture(autouse=True)
def fair_weather(stack: Stack) -> Iterator[None]:
    yield
    faults(stack)
    assert eventually(stack.idle, 60), "it does not come to rest"


def faults(stack: Stack, *rules: dict[str, Any]) -> None:
    with stack.sandbox() as sandbox:
        sandbox.call("POST", "/_sandbox/faults", list(rules))


def phone(name: str, number: int) -> str:
    return f"+1415{200 + len(name)}{number:04d}"


def mail(name: str, number: int) -> str:
    return f"{name}-{number}@x.example"


def let_happen(stack: Stack, name: str, people: range) -> None:
    """Have people become known and do what a journey waits for."""
    calls = [
        call
        for number in people
        for call in (
            {"type": "identify", "userId": f"{name}-{number}", "messageId": f"i-{name}-{number}",
             "traits": {"phone": phone(name, number), "email": mail(name, number), "name": "Ada"}},
            {"type": "track", "userId": f"{name}-{number}", "event": name, "messageId": f"t-{name}-{number}"},
        )
    ]  # fmt: skip
    with stack.events() as client:
        for begin in range(0, len(calls), 200):
            send_surely(client, "/v1/batch", {"batch": calls[begin : begin + 200]}, stack.heal)


def messages(stack: Stack) -> list[dict[str, Any]]:
    with stack.sandbox() as sandbox:
        found: list[dict[str, Any]] = sandbox.call("GET", "/_sandbox/messages", timeout=60)["messages"]
    return found


def arrivals(stack: Stack, name: str) -> list[datetime]:
    """When the provider took each message of a journey, in order; each came once."""
    found = [message for message in messages(stack) if (message["body"] or "").startswith(f"{name} for")]
    refs = Counter(message["ref"] for message in found)
    assert [ref for ref, times in refs.items() if times > 1] == []
    return sorted(datetime.fromisoformat(message["accepted_at"]) for message in found)


def ask_for_codes(stack: Stack, seconds: float, rate: float, first: int) -> dict[str, datetime]:
    """Ask for so many codes a second; return by phone number when each was asked for."""
    asked: dict[str, datetime] = {}
    began = time.monotonic()
    with stack.api() as api:
        for number in range(int(seconds * rate)):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            to = phone("code", first + number)
            asked[to] = datetime.now(UTC)
            api.call(
                "POST",
                "/v1/deliveries",
                {"to": to, "channel": "sms", "topic": "codes", "text": f"code {number}"},
            )
    return asked


def waits(stack: Stack, asked: dict[str, datetime]) -> list[float]:
    """How long each code took to the provider, in seconds, in order; all came."""

    def taken() -> dict[str, datetime]:
        return {
            m["to"]: datetime.fromisoformat(m["accepted_at"]) for m in messages(stack) if m["to"] in asked
        }

    assert eventually(lambda: len(taken()) == len(asked), 30)
    return sorted((at - asked[to]).total_seconds() for to, at in taken().items())


def test_a_slow_provider_is_called_by_many_at_once_and_holds_up_neither_codes_nor_mail(stack: Stack) -> None:
    people = range(200)
    faults(stack, {"fault": "slow", "channel": "sms", "seconds": CALL_SECONDS})
    let_happen(stack, "texts", people)
    let_happen(stack, "mails", range(60))

    asked = ask_for_codes(stack, seconds=8, rate=3, first=0)

    codes = waits(stack, asked)
    assert codes[int(0.9 * len(codes))] < CALL_SECONDS / 2, f"a code waits for other codes' answers: {codes}"
    assert eventually(lambda: len(arrivals(stack, "texts")) == len(people), 60)
    texts = arrivals(stack, "texts")
    assert len(people) / (texts[-1] - texts[0]).total_seconds() >= 0.5 * 50 / CALL_SECONDS
    mails = arrivals(stack, "mails")
    assert mails[-1] < statistics.median_low(texts), "mail waited for texts"
    assert stack.count("SELECT count(*) FROM delivery WHERE doc->>'calls' <> '1'") == 0


def test_a_storm_of_429_is_waited_out_as_told_and_everything_leaves_once(stack: Stack) -> None:
    people, wait, storm = range(150), 2.0, 8.0
    faults(stack, {"fault": "429", "channel": "sms", "retry_after": wait, "probability": 0.9})
    began = time.monotonic()
    let_happen(stack, "storm", people)
    time.sleep(storm)
    asked = ask_for_codes(stack, seconds=1, rate=5, first=1_000)
    with stack.sandbox() as sandbox:
        refused = sandbox.call("GET", "/_sandbox/stats")["faulted"]["429"]
    seconds = time.monotonic() - began

    faults(stack)

    assert eventually(lambda: len(arrivals(stack, "storm")) == len(people), 30)
    waits(stack, asked)
    assert refused >= len(people)
    assert refused <= (len(people) + len(asked)) * (1 + seconds / wait), (
        "asked again before the time it was told"
    )
    assert stack.count("SELECT count(*) FROM delivery WHERE status IN ('failed', 'unknown', 'skipped')") == 0


def test_a_flood_is_taken_in_and_leaves_nothing_behind(stack: Stack) -> None:
    before = stack.count("SELECT count(*) FROM seen")
    roots = {name: stack.supervisor.pid(name) for name in PROCESSES}
    settled = memory_bytes(roots)
    plan = Plan(
        url=stack.url, write_key=stack.key, source="flood", first=0, count=PEOPLE, play=Play.BOTH,
        event="Nobody Listens", batch=100, connections=200,
    )  # fmt: skip
    broker = redis.Redis(unix_socket_path=urlsplit(stack.services.broker_url).path)
    seen, over = list[tuple[int, int]](), threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            hints = sum(broker.llen(queue) for queue in ("engine", "email", "sms", "urgent"))
            seen.append((hints, max(size - settled[name] for name, size in memory_bytes(roots).items())))

    watching = threading.Thread(target=watch)
    watching.start()
    report = play(plan, limit=200)
    digested = eventually(lambda: not stack.count("SELECT count(*) FROM inbox"), 120)
    over.set()
    watching.join()
    broker.close()

    assert digested
    assert (report.calls, report.lost) == (2 * PEOPLE, 0)
    assert stack.count("SELECT count(*) FROM seen") - before == 2 * PEOPLE
    assert stack.count("SELECT count(*) FROM event WHERE name = 'Nobody Listens'") == PEOPLE
    assert max(hints for hints, _ in seen) <= HINTS
    assert max(grown for _, grown in seen) <= GROWTH_BYTES
    (code,) = waits(stack, ask_for_codes(stack, seconds=1, rate=1, first=2_000))
    assert code <= 5.0, "the next one waits for what was digested long ago"


def test_a_worker_that_is_told_to_stop_ends_its_calls_and_the_next_one_makes_the_others(stack: Stack) -> None:
    people = range(80)
    faults(stack, {"fault": "slow", "channel": "sms", "seconds": CALL_SECONDS})
    let_happen(stack, "rolls", people)
    assert eventually(lambda: len(arrivals(stack, "rolls")) >= 20)

    os.kill(stack.supervisor.pid("worker-deliver"), signal.SIGTERM)

    def all_came() -> bool:
        stack.heal()
        return len(arrivals(stack, "rolls")) == len(people)

    assert eventually(all_came, 60)
    assert eventually(stack.idle, 60)
    assert stack.count("SELECT count(*) FROM delivery WHERE doc->>'unknown_since' IS NOT NULL") == 0
    assert stack.count("SELECT count(*) FROM delivery WHERE doc->>'calls' <> '1' AND journey = 'rolls'") == 0
