"""Requests share commits, nobody is answered before theirs, and a full queue says when to come back."""

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from engage.api.microbatch import (
    FACTS_A_COMMIT,
    TOO_LATE_SECONDS,
    WAIT_SECONDS,
    MicroBatcher,
    OverloadedError,
)
from engage.domain.turn.changes import Quarantined
from engage.engine.accept.intake import Intake, Piece, Taken
from engage.ports.storage import StorageAwayError, Transaction
from tests.accept.store import Hinted, TestedStore, piece, poisoned
from tests.api.world import NOW, SERVER, World, basic, calling


class SlowIntake(Intake):
    """Stores when the test lets it."""

    def __init__(self, store: TestedStore) -> None:
        super().__init__(store, Hinted())
        self.gate = threading.Event()
        self.entered = threading.Event()

    def store(self, taken: Taken, *, urgent: bool = False) -> list[bool]:
        self.entered.set()
        assert self.gate.wait(10)
        return super().store(taken)


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_requests_that_come_during_a_commit_share_the_next_one() -> None:
    store = TestedStore()
    intake = SlowIntake(store)

    async def scene() -> list[list[bool]]:
        batcher = MicroBatcher(intake)
        first = asyncio.create_task(batcher.submit(Taken([piece("first")])))
        await until(intake.entered.is_set)
        others = [
            asyncio.create_task(batcher.submit(Taken([piece(f"o{n}"), piece("first")]))) for n in range(20)
        ]
        await asyncio.sleep(0.01)
        assert not first.done()
        intake.gate.set()
        answers = [await first, *[await other for other in others]]
        await batcher.close()
        return answers

    answers = asyncio.run(scene())

    assert answers == [[True]] + [[True, False]] * 20
    assert [len(commit) for commit in store.commits] == [1, 20]


@dataclass(frozen=True)
class Adrift:
    """Something of which only the database knows whose it is."""

    name: str

    @property
    def otherwise(self) -> Quarantined:
        return Quarantined(source="test", reason="adrift", detail="", payload=b"x", received_at=NOW)

    def placed(self, _tx: Transaction) -> Taken:
        return Taken([piece(self.name)])


def test_what_is_placed_only_in_the_transaction_is_stored_in_company_too() -> None:
    store = TestedStore()
    intake = SlowIntake(store)

    async def scene() -> None:
        batcher = MicroBatcher(intake)
        first = asyncio.create_task(batcher.submit(Taken([piece("first")])))
        await until(intake.entered.is_set)
        others = [
            asyncio.create_task(batcher.submit(Taken([piece(f"o{n}")], (), [Adrift(f"a{n}")])))
            for n in range(3)
        ]
        await asyncio.sleep(0.01)
        intake.gate.set()
        assert [await first, *[await other for other in others]] == [[True]] * 4
        await batcher.close()

    asyncio.run(scene())

    assert sorted(store.ids()) == ["a0", "a1", "a2", "first", "o0", "o1", "o2"]


def test_a_commit_holds_no_more_than_it_should() -> None:
    store = TestedStore()

    async def scene() -> None:
        batcher = MicroBatcher(Intake(store, Hinted()))
        await asyncio.gather(
            *(batcher.submit(Taken([piece(f"{r}-{n}") for n in range(100)])) for r in range(12))
        )
        await batcher.close()

    asyncio.run(scene())

    assert max(len(commit) for commit in store.commits) <= FACTS_A_COMMIT
    assert len(store.ids()) == 1_200


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    intake = SlowIntake(TestedStore())

    async def scene() -> int:
        batcher = MicroBatcher(intake, max_waiting=5)
        waiting = asyncio.create_task(batcher.submit(Taken([piece(str(n)) for n in range(5)])))
        await until(intake.entered.is_set)
        with pytest.raises(OverloadedError) as refused:
            await batcher.submit(Taken([piece("more")]))
        intake.gate.set()
        assert await waiting == [True] * 5
        assert await batcher.submit(Taken([piece("more")])) == [True]
        await batcher.close()
        return refused.value.retry_after

    assert asyncio.run(scene()) >= 1


class TiredIntake(Intake):
    """Takes a fifth of a second for a full commit, as a database on a busy machine may."""

    def store(self, taken: Taken, *, urgent: bool = False) -> list[bool]:
        time.sleep(len(taken) / FACTS_A_COMMIT / 5)
        return super().store(taken)


def test_nobody_is_let_in_to_wait_for_longer_than_clients_do() -> None:
    longest, told = 0.0, list[int]()

    async def ask(batcher: MicroBatcher, number: int) -> None:
        nonlocal longest
        began = time.monotonic()
        try:
            await batcher.submit(Taken([piece(f"{number}-{n}") for n in range(100)]))
        except OverloadedError as exc:
            told.append(exc.retry_after)
        else:
            longest = max(longest, time.monotonic() - began)

    async def scene() -> None:
        batcher = MicroBatcher(TiredIntake(TestedStore(), Hinted()))
        await asyncio.gather(*(ask(batcher, number) for number in range(60)))
        asked = [asyncio.create_task(ask(batcher, number)) for number in range(100, 300)]
        await asyncio.gather(*asked)
        await batcher.close()

    asyncio.run(scene())

    assert told
    assert max(told) <= 3
    assert longest <= 1.5 * WAIT_SECONDS


def test_who_was_let_in_before_storing_became_slow_is_told_to_come_back_in_time() -> None:
    store = TestedStore()
    intake = SlowIntake(store)

    async def scene() -> Sequence[list[bool] | BaseException]:
        batcher = MicroBatcher(intake, patience=60.0)
        first = asyncio.create_task(batcher.submit(Taken([piece("first")])))
        await until(intake.entered.is_set)
        behind = asyncio.create_task(batcher.submit(Taken([piece("event")])))
        told = asyncio.create_task(batcher.submit(Taken([piece("STOP")]), ahead=True))
        await asyncio.sleep(TOO_LATE_SECONDS + 0.1)
        intake.gate.set()
        answers = await asyncio.gather(first, behind, told, return_exceptions=True)
        await batcher.close()
        return answers

    first, behind, told = asyncio.run(scene())

    assert (first, told) == ([True], [True])
    assert isinstance(behind, OverloadedError)
    assert store.ids() == ["first", "STOP"]


def test_what_a_provider_tells_is_taken_and_stored_first_however_many_events_wait() -> None:
    store = TestedStore()
    intake = SlowIntake(store)

    async def scene() -> None:
        batcher = MicroBatcher(intake, max_waiting=600)
        first = asyncio.create_task(batcher.submit(Taken([piece("first")])))
        await until(intake.entered.is_set)
        events = asyncio.create_task(batcher.submit(Taken([piece(f"e{n}") for n in range(599)])))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await batcher.submit(Taken([piece("event")]))
        told = asyncio.create_task(batcher.submit(Taken([piece("STOP")]), ahead=True))
        await asyncio.sleep(0)
        intake.gate.set()
        await asyncio.gather(first, events, told)
        await batcher.close()

    asyncio.run(scene())

    assert [commit[0] for commit in store.commits] == ["first", "STOP", "e0"]


def test_what_providers_tell_is_bounded_too() -> None:
    intake = SlowIntake(TestedStore())

    async def scene() -> None:
        batcher = MicroBatcher(intake, max_waiting=5)
        waiting = asyncio.create_task(batcher.submit(Taken([piece(str(n)) for n in range(5)]), ahead=True))
        await until(intake.entered.is_set)
        with pytest.raises(OverloadedError):
            await batcher.submit(Taken([piece("more")]), ahead=True)
        intake.gate.set()
        await waiting
        await batcher.close()

    asyncio.run(scene())


def test_a_request_larger_than_the_queue_is_taken_when_nothing_waits() -> None:
    async def scene() -> list[bool]:
        batcher = MicroBatcher(Intake(TestedStore(), Hinted()), max_waiting=2)
        stored = await batcher.submit(Taken([piece(str(n)) for n in range(5)]))
        await batcher.close()
        return stored

    assert asyncio.run(scene()) == [True] * 5


def test_everybody_in_a_failed_commit_is_told_and_the_next_one_works() -> None:
    store = TestedStore()
    store.trouble = lambda _ids: StorageAwayError("gone")

    async def scene() -> None:
        batcher = MicroBatcher(Intake(store, Hinted()))
        failed = await asyncio.gather(
            *(batcher.submit(Taken([piece(str(n))])) for n in range(3)), return_exceptions=True
        )
        assert all(isinstance(exc, StorageAwayError) for exc in failed)
        store.trouble = poisoned()
        assert await batcher.submit(Taken([piece("later")])) == [True]
        await batcher.close()

    asyncio.run(scene())


def test_while_the_database_is_away_nobody_waits_for_another_time_out() -> None:
    store = TestedStore()
    intake = SlowIntake(store)
    tries: list[list[str]] = []

    def gone(ids: list[str]) -> Exception:
        tries.append(ids)
        return StorageAwayError("gone")

    store.trouble = gone

    async def scene() -> None:
        batcher = MicroBatcher(intake)
        first = asyncio.create_task(batcher.submit(Taken([piece("first")])))
        await until(intake.entered.is_set)
        behind = asyncio.create_task(batcher.submit(Taken([piece("behind")])))
        await asyncio.sleep(0)
        intake.gate.set()
        for waiting in (first, behind):
            with pytest.raises(StorageAwayError):
                await waiting
        store.trouble = poisoned()
        assert await batcher.submit(Taken([piece("later")])) == [True]
        await batcher.close()

    asyncio.run(scene())

    assert tries == [["first"]]


def test_a_caller_who_left_does_not_disturb_the_others() -> None:
    intake = SlowIntake(TestedStore())

    async def scene() -> None:
        batcher = MicroBatcher(intake)
        gone = asyncio.create_task(batcher.submit(Taken([piece("gone")])))
        stays = asyncio.create_task(batcher.submit(Taken([piece("stays")])))
        await until(intake.entered.is_set)
        gone.cancel()
        intake.gate.set()
        assert await stays == [True]
        await batcher.close()

    asyncio.run(scene())


class BackloggedBatcher(MicroBatcher):
    """Seven seconds behind."""

    async def submit(self, taken: Taken, *, ahead: bool = False) -> list[bool]:
        raise OverloadedError(7)


def test_429_with_whole_seconds_under_overload() -> None:
    world = World(batcher=BackloggedBatcher)
    with calling(world) as client:
        answer = client.post("/v1/track", json={"userId": "u", "event": "E"}, headers=basic(SERVER))

    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (
        429,
        "7",
        "overloaded",
    )


def test_a_database_that_says_nothing_keeps_nobody_waiting() -> None:
    store = TestedStore()
    intake = SlowIntake(store)

    async def scene() -> None:
        batcher = MicroBatcher(intake, patience=0.1)
        waiting = [asyncio.create_task(batcher.submit(Taken([piece(name)]))) for name in ("a", "b")]
        for task in waiting:
            with pytest.raises(StorageAwayError):
                await task
        with pytest.raises(StorageAwayError):
            await batcher.submit(Taken([piece("c")]))

        intake.gate.set()
        await until(lambda: store.commits)
        await asyncio.sleep(0.01)

        # What was stored after all is known when it is sent again.
        assert await batcher.submit(Taken([piece("a"), piece("c")])) == [False, True]
        await batcher.close()

    asyncio.run(scene())


def test_large_events_count_by_their_size() -> None:
    intake = SlowIntake(TestedStore())
    fact = piece("x").fact
    large = Taken(
        [
            Piece(fact=msgspec.structs.replace(fact, message_id=f"m{n}", payload=b"x" * 32_000))
            for n in range(1_500)
        ]
    )

    async def scene() -> None:
        batcher = MicroBatcher(intake)
        first = asyncio.create_task(batcher.submit(large))
        await until(intake.entered.is_set)
        with pytest.raises(OverloadedError):
            await batcher.submit(large)
        intake.gate.set()
        assert sum(await first) == 1_500
        assert sum(await batcher.submit(large)) == 0
        await batcher.close()

    asyncio.run(scene())
