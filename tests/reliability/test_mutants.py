"""The invariants can fail: an engine that is made to break a promise is caught within a few seeds."""

import re
from collections.abc import Callable

import pytest

from engage.domain.consent.consent import Consents
from engage.engine.deliver import outcomes
from engage.engine.digest import digest
from engage.engine.settle import settle
from engage.ports.channel import NotTaken
from tests.reliability.sim.provider import Provider
from tests.reliability.sim.world import World

SEEDS = range(1, 40)

Patch = Callable[[pytest.MonkeyPatch], None]


def resends_blindly(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Provider, "ask", lambda self, question: NotTaken())


def forgets_outcomes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outcomes.Outcomes, "write", lambda self, facts, ends=(): None)
    patch.setattr(settle.Settle, "turn", lambda self: settle.Settled())


def hears_no_no(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Consents, "refusal", lambda self, *asked: None)


def loses_facts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(digest, "play", lambda turn, batch, mint: None)


@pytest.mark.parametrize(
    ("mutant", "sign"),
    [
        (resends_blindly, "taken 2 times"),
        (forgets_outcomes, "waits|sending|waiting|nothing will move"),
        (hears_no_no, "in spite of"),
        (loses_facts, "counts 0 times"),
    ],
)
def test_a_broken_engine_is_caught(mutant: Patch, sign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)

    assert any(re.search(sign, breach) for seed in SEEDS for breach in World(seed).play())
