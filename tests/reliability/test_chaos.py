"""`engage chaos` gives its verdict, and the verdict can be bad."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engage.chaos.killer import Killer
from engage.chaos.verdict import verdict_of
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.ids import DeliveryId, ProfileId, RunId
from engage.domain.journey.run import Run
from engage.testing.invariants import Ledger, No, Outside, ProviderCall

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEYS = ["accepted", "duplicates", "lost", "after_stop", "stuck", "unknown_outcome", "kills"]


def delivery(name: str, mark: Mark | None, topic: str = "offers", **more: object) -> Delivery:
    made = Delivery(
        id=DeliveryId(name),
        profile=ProfileId("p"),
        lane=0,
        channel=Channel.SMS,
        topic=topic,
        asked_at=NOW,
        due_at=None,
    )
    if mark is not None:
        made.add(mark)
    for field, value in more.items():
        setattr(made, field, value)
    return made


def call(name: str, at: datetime = NOW) -> ProviderCall:
    return ProviderCall(
        delivery=DeliveryId(name), channel=Channel.SMS, address="+14155550100", at=at, taken=True
    )


def ledger(*deliveries: Delivery, runs: tuple[Run, ...] = (), undigested: int = 0) -> Ledger:
    return Ledger(
        at=NOW + timedelta(hours=1),
        deliveries={one.id: one for one in deliveries},
        runs={run.id: run for run in runs},
        receipts={},
        timed={},
        events={},
        identifiers=(),
        never_lost={"codes"},
        undigested=undigested,
    )


def test_a_sound_ledger_is_a_good_verdict() -> None:
    verdict = verdict_of(ledger(delivery("a", Mark.ACCEPTED)), Outside(calls=[call("a")]), 3)

    assert (verdict.accepted, verdict.kills, verdict.good) == (1, 3, True)


def test_one_that_was_taken_twice_is_a_duplicate_unless_its_topic_allows_it() -> None:
    twice = Outside(calls=[call("a"), call("a")])

    assert verdict_of(ledger(delivery("a", Mark.ACCEPTED)), twice, 0).duplicates == 1
    assert verdict_of(ledger(delivery("a", Mark.ACCEPTED, "codes")), twice, 0).duplicates == 0


def test_an_event_that_stands_nowhere_and_a_delivery_without_an_end_are_lost() -> None:
    assert verdict_of(ledger(), Outside(told={"order/1": "p1"}), 0).lost == 1
    assert verdict_of(ledger(delivery("a", None)), Outside(), 0).lost == 1
    assert verdict_of(ledger(undigested=2), Outside(), 0).lost == 1


def test_a_call_three_seconds_after_a_stop_is_counted_and_one_after_one_second_is_not() -> None:
    no = No(since=NOW, channel="sms", address="+14155550100")
    sent = ledger(delivery("a", Mark.ACCEPTED))

    late = Outside(calls=[call("a", NOW + timedelta(seconds=3))], noes=[no])
    soon = Outside(calls=[call("a", NOW + timedelta(seconds=1))], noes=[no])

    assert (verdict_of(sent, late, 0).after_stop, verdict_of(sent, soon, 0).after_stop) == (1, 0)


def test_a_run_that_waits_for_nothing_is_stuck() -> None:
    run = Run(
        id=RunId("r"), profile=ProfileId("p"), journey="j", version=1, entered_at=NOW, since=NOW, step="0"
    )

    assert verdict_of(ledger(runs=(run,)), Outside(), 0).stuck == 1


def test_a_seed_chooses_its_victims_again() -> None:
    class Place:
        def __init__(self) -> None:
            self.killed: list[str] = []

        def victims(self) -> list[str]:
            return ["api", "beat", "worker-engine"]

        def signal(self, label: str, number: int) -> None:
            self.killed.append(label)

        def kill_service(self, name: str, *, wipe: bool = False) -> None:
            self.killed.append(name)

    def killed(seed: int) -> list[str]:
        place = Place()
        killer = Killer(place, seed, down_seconds=0)
        for _ in range(40):
            killer.kill()
        return place.killed

    assert killed(1) == killed(1)
    assert killed(1) != killed(2)
    assert {"valkey", "postgres", "api", "beat", "worker-engine"} <= set(killed(1))


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_short_run_on_the_real_stack_keeps_every_promise(services_dir: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "engage.cli",
        "chaos",
        "--deliveries",
        "400",
        "--kills",
        "8",
        "--seed",
        "7",
    ]

    done = subprocess.run(
        command,
        env={**os.environ, "ENGAGE_DATA_DIR": str(services_dir / "chaos")},
        capture_output=True,
        text=True,
        check=False,
    )

    verdict = json.loads(done.stdout.splitlines()[-1])
    assert list(verdict) == KEYS
    assert done.returncode == 0, done.stderr
    assert verdict["accepted"] > 300
    assert verdict["kills"] == 8
