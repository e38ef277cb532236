"""Requests become facts: batches, quarantine and replay, and the no in an identify."""

import json
from typing import Any

import msgspec

from engage.domain.consent.consent import EVERY_TOPIC, ConsentState
from engage.domain.fact import Call, decode
from engage.domain.ids import lane_of
from engage.domain.project_settings import ProjectSettings
from engage.domain.turn.changes import Quarantined
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.intake import Intake, Taken
from engage.engine.canonical.split import open_batch
from engage.engine.canonical.stored import as_sent
from tests.accept.items import identify, origin, track
from tests.accept.store import Hinted, TestedStore

SETTINGS = ProjectSettings()
NO = {"key": "Ada@shop.example", "type": "EMAIL", "status": "UNSUBSCRIBED"}


def take(*items: Any, around: dict[str, Any] | None = None, **how: Any) -> Taken:
    """Read a batch."""
    body = json.dumps({"batch": items, **(around or {})}).encode()
    return Acceptor(lambda: SETTINGS).batch(open_batch(body), origin(**how))


def store(taken: Taken) -> TestedStore:
    kept = TestedStore()
    Intake(kept, Hinted()).store(taken)
    return kept


def test_one_bad_item_never_fails_a_batch() -> None:
    kept = store(take(track(messageId="1"), {"type": "nope"}, 7, track(messageId="2"), track(userId=None)))

    assert [fact.message_id for fact in kept.facts() if isinstance(fact, Call)] == ["1", "2"]
    assert [item.reason for item in kept.quarantined()] == ["unknown_type", "not_an_object", "no_identifier"]


def test_calls_lie_in_the_lane_of_their_strongest_identifier() -> None:
    taken = take(
        track(anonymousId="a"), track(userId=None, anonymousId="a"), identify({"email": "A@b.c"}, userId=None)
    )

    assert [piece.fact.lane for piece in taken.pieces] == [lane_of("ada"), lane_of("a"), lane_of("a@b.c")]


def test_history_is_not_live() -> None:
    assert [piece.fact.live for piece in take(track(), imported=True).pieces] == [False]
    assert [piece.fact.live for piece in take(track()).pieces] == [True]


def test_minted_ids_differ() -> None:
    first, second = (piece.fact.message_id for piece in take(track(), track()).pieces)

    assert first != second


def test_a_quarantined_item_is_kept_as_it_came() -> None:
    (kept,) = take({"type": "nope", "x": 1.50}).quarantined

    assert json.loads(as_sent(kept)) == {"type": "nope", "x": 1.5}


def test_a_quarantined_item_is_replayed_as_if_it_came_when_it_came() -> None:
    taken = take(
        track(event="", timestamp="2026-02-01T00:00:00Z"),
        around={
            "sentAt": "2026-02-01T00:00:30Z",
            "context": {"library": {"name": "x"}},
            "integrations": {"A": True},
        },
        browser=True,
        imported=True,
    )
    (kept,) = taken.quarantined
    mended = replace_payload(kept, b'"event": ""', b'"event": "Go"')

    replayed = Acceptor(lambda: SETTINGS).replay([mended, mended])

    first, second = (decode(piece.fact.payload) for piece in replayed.pieces)
    assert first == second
    assert isinstance(first, Call)
    assert (first.event, first.browser, first.imported, first.source) == ("Go", True, True, "key:s")
    assert first.context == {"library": {"name": "x"}, "integrations": {"A": True}}
    assert (kept.received_at - first.timestamp).total_seconds() == 30


def test_what_is_still_unfit_stays_in_quarantine_when_replayed() -> None:
    (kept,) = take({"type": "nope"}).quarantined

    replayed = Acceptor(lambda: SETTINGS).replay([kept])

    assert (list(replayed.pieces), [item.reason for item in replayed.quarantined]) == ([], ["unknown_type"])


def test_a_batchs_context_that_would_swell_every_item_is_refused() -> None:
    taken = take(track(), track(), around={"context": {"x": "y" * 9_000}})

    assert [item.reason for item in taken.quarantined] == ["too_large", "too_large"]
    assert all(len(item.payload) < 1_000 for item in taken.quarantined)


def test_a_batchs_context_that_cannot_be_kept_is_as_if_absent() -> None:
    body = b'{"batch":[%s],"context":{"a":"\\u0000"}}' % json.dumps(track()).encode()

    taken = Acceptor(lambda: SETTINGS).batch(open_batch(body), origin())

    assert isinstance(found := decode(taken.pieces[0].fact.payload), Call)
    assert found.context == {}


def test_an_unsubscribe_in_an_identify_is_in_the_ledger_at_once() -> None:
    kept = store(take(identify(context={"messaging_subscriptions": [NO]})))

    assert kept.consents("email", "ada@shop.example").by_address == {
        ("email", "ada@shop.example", EVERY_TOPIC): ConsentState.UNSUBSCRIBED
    }


def test_a_browser_key_and_history_do_not_touch_the_ledger() -> None:
    for browser, imported in ((True, False), (False, True)):
        item = identify(context={"messaging_subscriptions": [NO]})
        kept = store(take(item, browser=browser, imported=imported))

        assert not kept.consents("email", "ada@shop.example").by_address


def test_a_yes_waits_for_its_turn() -> None:
    kept = store(take(identify(context={"messaging_subscriptions": [{**NO, "status": "SUBSCRIBED"}]})))

    assert not kept.consents("email", "ada@shop.example").by_address


def test_new_settings_are_used_from_the_next_request_on() -> None:
    live = ProjectSettings(region="US")
    acceptor = Acceptor(lambda: live)
    assert acceptor.rules().region == "US"

    live = ProjectSettings(region="DE")

    assert acceptor.rules().region == "DE"
    assert acceptor.rules() is acceptor.rules()


def replace_payload(kept: Quarantined, before: bytes, after: bytes) -> Quarantined:
    """As if somebody had mended what was kept."""
    assert before in kept.payload
    return msgspec.structs.replace(kept, payload=kept.payload.replace(before, after))


def test_an_item_told_again_has_the_same_identity_and_twins_in_one_batch_have_two() -> None:
    items = [
        *({"type": "track", "userId": "u", "messageId": "m"},) * 2,
        {"type": "track", "userId": "u", "messageId": "n"},
        {"type": "track", "userId": "u", "messageId": "x" * 40_000},
        *({"type": "track"},) * 2,
    ]

    first, second = (take(*items).quarantined for _ in range(2))

    ids = [item.identity for item in first]
    assert ids == [item.identity for item in second]
    assert ids[-2:] == [None, None]
    assert len(set(ids[:4])) == 4
    assert None not in ids[:4]
