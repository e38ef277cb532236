"""The invariants can fail: an engine that is made to break a promise is caught within a few seeds, for each of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from engage.domain.consent.consent import Consents
from engage.domain.delivery import ledger
from engage.domain.delivery.delivery import Delivery, Mark
from engage.engine.deliver import deliver, outcomes
from engage.engine.digest import digest
from engage.engine.settle import reconcile, settle
from engage.engine.sweep import Sweep
from engage.ports.channel import NotTaken, Taken
from engage.storage.memory import erasing
from engage.testing import invariants
from engage.testing.invariants import PROMISES
from tests.reliability.sim.provider import Provider
from tests.reliability.sim.world import World

SEEDS = range(1, 60)

Patch = Callable[[pytest.MonkeyPatch], None]


def overlooks_a_lane(patch: pytest.MonkeyPatch) -> None:
    healthy = digest.Digest.turn

    def turn(self: digest.Digest, lanes: list[int], *more: Any) -> Any:
        return healthy(self, [lane for lane in lanes if lane % 7], *more)

    patch.setattr(digest.Digest, "turn", turn)


def loses_facts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(digest, "play", lambda turn, batch, mint: None)


def resends_blindly(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Provider, "ask", lambda self, question: NotTaken())


def hears_no_no(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Consents, "refusal", lambda self, *asked: None)


def forgets_timers(patch: pytest.MonkeyPatch) -> None:
    healthy = Sweep.look

    def look(self: Sweep, *when: Any) -> Any:
        found = healthy(self, *when)
        with self._store.transaction() as tx:
            found.lanes = set(tx.inbox.lanes())
        return found

    patch.setattr(Sweep, "look", look)


def forgets_outcomes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outcomes.Outcomes, "write", lambda self, facts, ends=(): None)
    patch.setattr(settle.Settle, "turn", lambda self: settle.Settled())


def believes_the_last_word(patch: pytest.MonkeyPatch) -> None:
    def add(self: Delivery, *marks: Mark) -> None:
        self.marks += [mark for mark in marks if mark not in self.marks]
        self.status = marks[-1]

    patch.setattr(Delivery, "add", add)


def takes_hope_for_an_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Provider, "ask", lambda self, question: Taken(provider_id="hope"))


def asks_for_no_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile.Reconcile, "turn", lambda self: False)


def does_not_hear_what_failed(patch: pytest.MonkeyPatch) -> None:
    healthy = ledger.on_receipt

    def on_receipt(turn: Any, person: Any, delivery: Delivery, receipt: Any) -> None:
        sent = msgspec.structs.replace(receipt, mark=Mark.SENT)
        healthy(turn, person, delivery, sent if receipt.mark == Mark.UNDELIVERED else receipt)

    patch.setattr("engage.engine.digest.play.on_receipt", on_receipt)


def sends_under_another_name(patch: pytest.MonkeyPatch) -> None:
    healthy = deliver.Deliver._answer

    def answer(self: deliver.Deliver, delivery: Delivery, outbound: Any) -> Any:
        return healthy(self, delivery, replace(outbound, delivery=f"not {outbound.delivery}"))

    patch.setattr(deliver.Deliver, "_answer", answer)


def leaves_rows_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(erasing, "_owned", lambda work, profile, gone: work.profiles.delete(profile))


MUTANTS = [
    ("everything_has_come_to_rest", overlooks_a_lane),
    ("nothing_accepted_is_lost_or_counted_twice", loses_facts),
    ("nobody_gets_anything_twice", resends_blindly),
    ("no_is_heard", hears_no_no),
    ("nobody_is_stuck", forgets_timers),
    ("every_delivery_ends_or_moves", forgets_outcomes),
    ("a_status_is_a_function_of_facts", believes_the_last_word),
    ("we_know_what_was_taken", takes_hope_for_an_answer),
    ("both_records_agree", asks_for_no_end),
    ("both_records_agree", does_not_hear_what_failed),
    ("both_records_agree", sends_under_another_name),
    ("everything_has_an_owner", leaves_rows_behind),
]


@pytest.mark.parametrize(("promise", "mutant"), MUTANTS, ids=lambda given: getattr(given, "__name__", given))
def test_a_broken_engine_is_caught(promise: str, mutant: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    judged = getattr(invariants, promise)
    monkeypatch.setattr(
        "tests.reliability.sim.world.breaches", lambda *given: [("!", one) for one in judged(*given)]
    )

    assert any(breach[0] == "!" for seed in SEEDS for breach in World(seed).play())


def test_every_promise_has_somebody_who_breaks_it() -> None:
    assert {promise for promise, _ in MUTANTS} == {promise.__name__ for promise in PROMISES}
