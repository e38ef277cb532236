"""What everything stands on is away for a while, or the clock is set: work goes on by itself, in time, once."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.stack import Stack, as_source, eventually, running_stack, send_surely

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(600)]

RATE = 20
AWAY_SECONDS = 25.0
SETTINGS = {
    "quiet_hours": "off",
    "senders": {"sms": {"number": "+15005550006", "rate": f"{RATE} per second"}},
}
JOURNEY: dict[str, Any] = {
    "journey": "hello",
    "trigger": {"event": "Go"},
    "entry": {"reentry": "never"},
    "steps": [
        {"sms": {"text": "Hello {{ profile.name }}"}},
        {"wait": "2 seconds"},
        {"email": {"text": "And again"}},
    ],
}
SHIFT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long shift(void) {
    char text[32] = {0};
    int file = open(getenv("CLOCK_SHIFT"), O_RDONLY);
    if (file < 0) return 0;
    ssize_t got = read(file, text, sizeof text - 1);
    close(file);
    return got > 0 ? atol(text) : 0;
}
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, at);
    if (!failed && id == CLOCK_REALTIME) at->tv_sec += shift();
    return failed;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""
"""Shows every process it is loaded into a clock that is some seconds off, as a file says."""


def publish(stack: Stack, settings: dict[str, Any] = SETTINGS) -> None:
    stack.publish(as_source("settings", "settings", settings), as_source("journey", "hello", JOURNEY))


def calls_of(people: range) -> list[dict[str, Any]]:
    return [
        call
        for number in people
        for call in (
            {"type": "identify", "userId": f"u{number}", "messageId": f"i-{number}",
             "traits": {"phone": f"+1415555{number:04}", "email": f"u{number}@x.example", "name": "Ada"}},
            {"type": "track", "userId": f"u{number}", "event": "Go", "messageId": f"g-{number}"},
        )
    ]  # fmt: skip


def tell(stack: Stack, people: range, size: int = 40) -> None:
    """Have people do what the journey waits for; whoever is not heard says it again."""
    calls = calls_of(people)
    with stack.events() as client:
        for begin in range(0, len(calls), size):
            send_surely(client, "/v1/batch", {"batch": calls[begin : begin + size]}, lambda: None, 180)


def taken(stack: Stack) -> Counter[str]:
    """How often the provider took each delivery."""
    with stack.sandbox() as sandbox:
        messages = sandbox.call("GET", "/_sandbox/messages", timeout=60)["messages"]
    return Counter(message["ref"] for message in messages)


def all_came_once(stack: Stack, people: int, seconds: float = 120) -> bool:
    """Whether everybody got both messages, once each, and nothing is left to do."""
    done = eventually(lambda: len(taken(stack)) == 2 * people and stack.idle(), seconds)
    return done and set(taken(stack).values()) == {1}


@pytest.fixture
def stack(services_dir: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    with running_stack(services_dir / request.node.name[:24]) as running:
        publish(running)
        tell(running, range(1))  # everybody is up
        assert all_came_once(running, 1)
        yield running


def test_a_provider_that_is_back_after_a_while_is_not_trampled(stack: Stack) -> None:
    people = 150
    with stack.sandbox() as sandbox:
        before = sandbox.call("GET", "/_sandbox/stats")["refs"]
    assert before == 2
    stack.signal("sandbox", signal.SIGKILL)
    tell(stack, range(1, people))
    time.sleep(AWAY_SECONDS)
    assert stack.count("SELECT count(*) FROM delivery WHERE accepted_at IS NULL") == people - 1

    stack.heal()
    stack.wait_until_up()

    assert eventually(lambda: len(taken(stack)) == 2 * (people - 1) and stack.idle(), 120)
    assert set(taken(stack).values()) == {1}
    with stack.sandbox() as sandbox:
        busiest = sandbox.call("GET", "/_sandbox/stats")["max_per_second"]
    assert busiest["+15005550006"]["segments"] <= RATE


def test_a_database_that_is_back_after_a_while_finds_everybody_still_there(stack: Stack) -> None:
    people = 150
    tell(stack, range(1, 50))
    pids = {label: stack.supervisor.pid(label) for label in stack.supervisor.labels()}
    os.kill(stack.services.pids()["postgres"], signal.SIGKILL)
    telling = threading.Thread(target=tell, args=(stack, range(50, people)))
    telling.start()
    time.sleep(AWAY_SECONDS)
    assert telling.is_alive()

    stack.services.revive()

    telling.join()
    assert all_came_once(stack, people)
    assert {label: stack.supervisor.pid(label) for label in pids} == pids
    for pid in pids.values():
        os.kill(pid, 0)


def test_a_broker_that_is_away_for_a_while_costs_no_call_and_comes_back_empty(stack: Stack) -> None:
    people = 60
    stack.kill_service("valkey", wipe=True)
    began = time.monotonic()
    with stack.events() as client:
        for number in range(1, people):
            client.call("POST", "/v1/batch", {"batch": calls_of(range(number, number + 1))}, timeout=5)
            time.sleep(AWAY_SECONDS / people)
    assert time.monotonic() - began < 2 * AWAY_SECONDS

    stack.services.revive()

    assert all_came_once(stack, people, 60)
    for label in stack.supervisor.labels():
        os.kill(stack.supervisor.pid(label), 0)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_costs_nobody_a_message(services_dir: Path, hours: int) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: nothing shows a process another time here")
    folder = services_dir / f"clock{hours}"
    folder.mkdir(mode=0o755)
    source, library, shift = folder / "shift.c", folder / "shift.so", folder / "shift"
    source.write_text(SHIFT)
    shift.write_text("0")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    variables = {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(shift)}
    with running_stack(folder, variables=variables) as stack:
        publish(stack, {"quiet_hours": "off"})
        tell(stack, range(1))
        assert all_came_once(stack, 1)
        # With calls under way, and people who wait:
        with stack.sandbox() as sandbox:
            sandbox.call("POST", "/_sandbox/faults", [{"fault": "slow", "channel": "sms", "seconds": 2}])
        tell(stack, range(1, 40))
        assert eventually(lambda: len(taken(stack)) > 6)

        fresh = shift.with_suffix(".new")
        fresh.write_text(str(hours * 3600))
        fresh.replace(shift)
        # What lies there together is digested in one order: whoever comes before that is done shares its time.
        assert eventually(lambda: not stack.count("SELECT count(*) FROM inbox"))

        tell(stack, range(40, 60))
        newcomers = [f"u{number}@x.example" for number in range(40, 60)]
        query = "SELECT count(*) FROM delivery WHERE channel = 'email' AND status = 'delivered' AND address = ANY(%s)"
        assert eventually(lambda: stack.count(query, newcomers) == len(newcomers), 60)
        if hours > 0:
            assert all_came_once(stack, 60)
        else:  # whoever waited already waits for the time of day they were told
            assert set(taken(stack).values()) == {1}
        assert stack.count("SELECT count(*) FROM delivery WHERE status = 'failed'") == 0
