"""The one transaction: what it promises when the database refuses, stumbles or is away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, ConsentState
from engage.domain.fact import decode
from engage.domain.project_settings import ProjectSettings
from engage.domain.turn.changes import Quarantined
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.intake import Intake, Piece, Taken
from engage.ports.storage import StorageAwayError, StorageBusyError
from tests.accept.store import NOW, Hinted, TestedStore, piece, poisoned


def rig() -> tuple[TestedStore, Hinted, Intake]:
    store, hints = TestedStore(), Hinted()
    return store, hints, Intake(store, hints)


def test_what_came_once_is_not_stored_twice() -> None:
    store, _, intake = rig()

    assert intake.store(Taken([piece("a"), piece("b")])) == [True, True]
    assert intake.store(Taken([piece("b"), piece("c"), piece("c")])) == [False, True, False]
    assert store.ids() == ["a", "b", "c"]


def test_lanes_are_hinted_after_the_commit_and_only_if_something_is_new() -> None:
    _, hints, intake = rig()

    intake.store(Taken([piece("a", lane=3), piece("b", lane=9)]))
    intake.store(Taken([piece("a", lane=3)]))

    assert hints.lanes == [{3, 9}]


def test_a_broker_that_is_away_does_not_undo_what_is_durable() -> None:
    store, hints, intake = rig()
    hints.broken = True

    assert intake.store(Taken([piece("a")])) == [True]
    assert store.ids() == ["a"]


def test_nothing_taken_costs_no_transaction() -> None:
    store, _, intake = rig()

    assert intake.store(Taken()) == []
    assert store.commits == []


@given(
    names=st.lists(st.text("abcdefgh", min_size=1, max_size=3), unique=True, max_size=12),
    poison=st.sets(st.text("abcdefgh", min_size=1, max_size=3), max_size=4),
)
def test_refused_rows_are_found_and_their_neighbours_are_stored(names: list[str], poison: set[str]) -> None:
    store, _, intake = rig()
    store.trouble = poisoned(*poison)

    stored = intake.store(Taken([piece(name) for name in names]))

    assert stored == [name not in poison for name in names]
    assert sorted(store.ids()) == sorted(set(names) - poison)
    assert len(store.quarantined()) == len(set(names) & poison)


def test_a_refused_row_can_be_replayed_once_the_database_takes_it() -> None:
    store, _, intake = rig()
    store.trouble = poisoned("bad")
    intake.store(Taken([piece("good"), piece("bad")]))
    (kept,) = store.quarantined()
    store.trouble = poisoned()

    intake.store(Acceptor(ProjectSettings).replay([kept]))

    assert kept.reason == "database_refused"
    assert store.ids() == ["good", "bad"]


def test_a_bug_with_one_row_is_no_reason_to_lose_the_others() -> None:
    store, _, intake = rig()
    store.trouble = lambda ids: UnicodeEncodeError("utf-8", "x", 0, 1, "no") if "bad" in ids else None

    assert intake.store(Taken([piece("a"), piece("bad"), piece("b")])) == [True, False, True]


def test_an_absent_database_is_said_and_nothing_is_quarantined() -> None:
    store, hints, intake = rig()
    store.trouble = lambda _ids: StorageAwayError("gone")

    with pytest.raises(StorageAwayError):
        intake.store(Taken([piece("a"), piece("b")]))
    assert (store.ids(), store.quarantined(), hints.lanes) == ([], [], [])


def test_a_conflict_is_tried_again_and_then_called_away() -> None:
    store, _, intake = rig()
    conflicts = iter([StorageBusyError("x"), StorageBusyError("x"), None])
    store.trouble = lambda _ids: next(conflicts)

    assert intake.store(Taken([piece("a")])) == [True]

    store.trouble = lambda _ids: StorageBusyError("x")
    with pytest.raises(StorageAwayError):
        intake.store(Taken([piece("b")]))


def test_quarantined_items_are_kept_in_the_same_transaction() -> None:
    store, _, intake = rig()
    item = Quarantined(source="s", reason="no_event", detail="", payload=b"{}\nx", received_at=NOW)

    assert intake.store(Taken([piece("a")], [item])) == [True]
    assert (store.quarantined(), len(store.commits)) == ([item], 1)


def test_a_no_is_in_the_ledger_when_the_fact_is_and_only_if_it_is_new() -> None:
    store, _, intake = rig()

    def no(state: ConsentState) -> ConsentEntry:
        return ConsentEntry(
            channel="sms", topic=EVERY_TOPIC, state=state, at=NOW, source="s", address="+14155550101"
        )

    intake.store(Taken([Piece(fact=piece("a").fact, consents=(no(ConsentState.UNSUBSCRIBED),))]))
    intake.store(Taken([Piece(fact=piece("a").fact, consents=(no(ConsentState.SUBSCRIBED),))]))

    view = store.consents("sms", "+14155550101")
    assert view.by_address == {("sms", "+14155550101", "*"): ConsentState.UNSUBSCRIBED}
    assert len(store.commits) == 2


def test_stored_facts_read_back() -> None:
    store, _, intake = rig()
    given_piece = piece("a")

    intake.store(Taken([given_piece]))

    assert store.facts() == [decode(given_piece.fact.payload)]
