"""Functions over events: counting, folding, windows, sequences."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from engage.domain.expression import MapHistory, PastEvent, Place, Value, compile_expression, equal
from tests.domain.expression.asking import DAY, NOW, TICK, ask, history, past, scope

ORDERS = history(
    past("Order Completed", 10 * DAY, total=20, items=[{"sku": "b"}, {"sku": "a"}], tag="x"),
    past("Order Completed", 5 * DAY, total=Decimal("30.5"), items=[{"sku": "b"}], tag="y"),
    past("Order Cancelled", 4 * DAY, total=99),
    past("Order Completed", 3 * DAY, total="50", tag="y"),
    past("Order Completed", 1 * DAY, total=None, tag="x", ok=True),
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("count('Order Completed')", 4),
        ("count('Order*')", 5),
        ("count('*')", 5),
        ("count('Order')", 0),
        ("count('order completed')", 0),
        ("count('Order Completed', within='6 days')", 3),
        ("count('Order Completed', where=event.total > 20)", 1),
        ("count('Order Completed', within='6 days', where=event.tag == 'y')", 2),
        ("count('Order Completed', since=ago('5 days'))", 3),
        ("count('Order Completed', before=ago('5 days'))", 1),
        ("count('Order Completed', since=ago('5 days'), before=ago('3 days'))", 1),
        ("count('Order Completed', since=last('Order Cancelled'))", 2),
        ("count('Order Completed', since=last('Never'))", 0),
        ("count('Order Completed', before=last('Never'))", 0),
        ("count('Order Completed', since='2026-02-25' | date)", 2),
        ("did('Order Completed')", True),
        ("did('Order Completed', within='1 day')", False),
        ("did('Never')", False),
        ("sum('Order Completed', 'total')", Decimal("50.5")),
        ("avg('Order Completed', 'total')", Decimal("25.25")),
        ("min('Order Completed', 'total')", 20),
        ("max('Order Completed', 'total')", Decimal("30.5")),
        ("sum('Never', 'total')", None),
        ("avg('Order Completed', 'tag')", None),
        ("min('Never', 'total')", None),
        ("max('Order Completed', 'total', within='4 days')", None),
        ("first('Order Completed', 'total')", 20),
        ("last('Order Completed', 'total')", None),
        ("last('Order Completed', 'tag')", "x"),
        ("last('Order Completed', 'tag', where=event.tag == 'y')", "y"),
        ("first('Never', 'tag')", None),
        ("last('Order Completed')", NOW - DAY),
        ("first('Order Completed')", NOW - 10 * DAY),
        ("last('Never')", None),
        ("first('Order Completed', 'items.sku')", ["b", "a"]),
        ("values('Order Completed', 'tag')", ["x", "y"]),
        ("values('Order Completed', 'items.sku')", ["a", "b"]),
        ("values('Order Completed', 'total')", [20, Decimal("30.5"), "50"]),
        ("values('Never', 'tag')", []),
        ("mode('Order Completed', 'items.sku')", "b"),
        ("mode('Order Completed', 'tag')", "x"),
        ("mode('Never', 'tag')", None),
        ("entry.tag in values('Order Completed', 'tag')", True),
        ("count('Order Completed', where=event.tag == entry.tag)", 2),
        ("count('Order Completed', where=event.total >= profile.least)", 1),
        ("event.tag", "outer"),
        ("count('Order Completed', where=event.tag == 'outer')", 0),
    ],
)
def test_folds(source: str, expected: Value) -> None:
    value = ask(source, history=ORDERS, entry={"tag": "y"}, event={"tag": "outer"}, profile={"least": 25})

    assert equal(value, expected), value


def test_an_event_counts_while_its_age_is_less_than_the_window() -> None:
    events = history(past("A", 3 * DAY))

    assert ask("count('A', within='3 days')", history=events) == 0
    assert (
        compile_expression("count('A', within='3 days')", Place.STEP).value(
            scope(now=NOW - TICK, history=events)
        )
        == 1
    )


def test_since_is_inclusive_and_before_exclusive() -> None:
    events = history(past("A", 3 * DAY))

    assert ask("count('A', since=ago('3 days'))", history=events) == 1
    assert ask("count('A', before=ago('3 days'))", history=events) == 0


def test_several_events_at_one_instant_are_in_order_of_arrival() -> None:
    events = history(past("A", n=1), past("A", n=2), past("A", n=3))

    assert ask("[first('A', 'n'), last('A', 'n')]", history=events) == [1, 3]


def test_ties_of_mode_go_to_the_alphabetically_first() -> None:
    events = history(past("A", v="pear"), past("A", v="apple"), past("A", v="pear"), past("A", v="apple"))

    assert ask("mode('A', 'v')", history=events) == "apple"


def test_true_and_one_are_distinct_values_and_one_and_1_0_are_not() -> None:
    events = history(past("A", v=1), past("A", v=True), past("A", v=Decimal("1.0")), past("A", v=False))

    assert [repr(value) for value in _listed(ask("values('A', 'v')", history=events))] == [
        "False",
        "True",
        "1",
    ]


def _listed(value: Value) -> list[object]:
    assert isinstance(value, list)
    return value


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("sequence('A', 'B')", True),
        ("sequence('B', 'A')", False),
        ("sequence('A', 'B', 'C')", True),
        ("sequence('A', 'C', 'B')", False),
        ("sequence('A', 'C', within='4 days')", False),
        ("sequence('A', 'C', within='5 days')", True),
        ("sequence('A', step('B', where=event.n == 1))", True),
        ("sequence('A', step('B', where=event.n == 2))", False),
        ("sequence(step('A', where=event.n == 1), 'C', within='5 days')", False),
        ("sequence('A', 'Never')", False),
        ("sequence('*', '*', '*', '*')", True),
        ("sequence('*', '*', '*', '*', '*')", False),
    ],
)
def test_sequences(source: str, expected: bool) -> None:
    events = history(past("A", 9 * DAY, n=1), past("A", 6 * DAY), past("B", 5 * DAY, n=1), past("C", 2 * DAY))

    assert ask(source, history=events) is expected


def test_a_chain_that_takes_exactly_the_window_is_too_long() -> None:
    events = history(past("A", 2 * DAY), past("B"))

    assert ask("sequence('A', 'B', within='2 days')", history=events) is False


def test_one_event_serves_one_step_only() -> None:
    assert ask("sequence('A', 'A')", history=history(past("A"))) is False
    assert ask("sequence('A', 'A')", history=history(past("A"), past("A"))) is True


def test_a_sequence_at_one_instant_follows_the_order_of_arrival() -> None:
    assert ask("sequence('A', 'B', within='1s')", history=history(past("A"), past("B"))) is True
    assert ask("sequence('A', 'B', within='1s')", history=history(past("B"), past("A"))) is False


def test_a_history_keeps_order_whatever_the_order_of_adding() -> None:
    instants = [3, 1, 2, 1, 5, 0]
    events = MapHistory()
    assert not events.matching("A*")
    for number, day in enumerate(instants):
        events.add(PastEvent(name="A" if number % 2 else "AB", timestamp=NOW + day * DAY, arrival=number))

    assert [(fact.timestamp - NOW).days for fact in events.matching("A*")] == sorted(instants)
    assert [fact.arrival for fact in events.matching("A*")][1:3] == [1, 3]
    assert len(events.matching("A")) + len(events.matching("AB")) == len(instants)


def test_membership_consent_and_changes_are_asked_of_the_scope() -> None:
    parts = {
        "in_audience": lambda name: name == "vip",
        "subscribed": lambda channel, topic: (channel, topic) == ("sms", "news"),
        "changed_at": lambda trait: NOW - DAY if trait == "plan" else None,
    }

    assert ask("[in_audience('vip'), in_audience('other')]", **parts) == [True, False]
    assert ask("[subscribed('sms', 'news'), subscribed('email', 'news')]", **parts) == [True, False]
    assert ask("[changed_at('plan'), changed_at('name')]", **parts) == [NOW - DAY, None]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("now", NOW),
        ("ago('1 day')", NOW - DAY),
        ("ahead('36 hours')", NOW + timedelta(hours=36)),
        ("changed_at('x') < ago('1 day')", False),
        ("'2026-03-01T13:00:00+01:00' | date == now", True),
        ("1772366400 | date == now", True),
        ("1772366400000 | date == now", True),
        ("'2026-03-01T12:00:00' | date", None),
        ("'nonsense' | date", None),
        ("true | date", None),
        ("now | date == now", True),
    ],
)
def test_instants(source: str, expected: Value) -> None:
    assert ask(source) == expected


def test_a_bare_date_is_midnight_in_the_persons_zone() -> None:
    from zoneinfo import ZoneInfo

    value = ask("'2026-07-01' | date", zone=ZoneInfo("America/New_York"))

    assert value == datetime.fromisoformat("2026-07-01T00:00:00-04:00")
