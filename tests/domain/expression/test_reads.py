"""What an expression says it depends on, and what it shows to those who ask why."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engage.domain.expression import EventRead, Place, Reads, Type, compile_expression
from tests.domain.expression.asking import DAY, TICK, history, past, scope


def reads(source: str, place: Place = Place.WAIT) -> Reads:
    return compile_expression(source, place).reads


def test_traits_are_named_by_their_first_part() -> None:
    assert reads("profile.plan == profile.address.city").traits == {"plan", "address"}
    assert reads("profile['odd name']").traits == {"odd name"}


def test_identifiers_are_no_traits() -> None:
    found = reads("profile.id == profile.user_id")

    assert (found.identifiers, found.traits) == (frozenset({"id", "user_id"}), frozenset())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("count('A')", {EventRead("A", folded=True)}),
        ("count('A', where=event.x == profile.x)", {EventRead("A")}),
        ("did('A*', within='3 days')", {EventRead("A*", 3 * DAY)}),
        ("did('A', within='3 days') and did('A', within='5 days')", {EventRead("A", 5 * DAY)}),
        ("did('A', within='3 days') and did('A')", {EventRead("A", 3 * DAY), EventRead("A", folded=True)}),
        ("did('A', since=ago('3 days'))", {EventRead("A", 3 * DAY + TICK)}),
        ("did('A', within='1 day', since=ago('3 days'))", {EventRead("A", DAY)}),
        ("did('A', since=last('B'))", {EventRead("A"), EventRead("B", folded=True)}),
        ("did('A', before=ago('3 days'))", {EventRead("A")}),
        ("did('A', since=run.entered_at)", {EventRead("A", entered=True)}),
        ("did('A', since=run.entered_at, within='3 days')", {EventRead("A", 3 * DAY)}),
        (
            "did('A', since=run.entered_at) or did('A', before=run.entered_at)",
            {EventRead("A", entered=True), EventRead("A")},
        ),
        ("did('A', where=did('B', within='1 hour'))", {EventRead("A"), EventRead("B", timedelta(hours=1))}),
        ("sequence('A', step('B', where=event.x), within='1 day')", {EventRead("A"), EventRead("B")}),
        ("profile.x", set()),
    ],
)
def test_events_are_read_as_far_back_as_matters(source: str, expected: set[EventRead]) -> None:
    assert reads(source).events == expected


def test_the_counted_event_is_not_the_event_looked_at() -> None:
    assert not reads("count('A', where=event.x)").event
    assert reads("event.x").event


def test_everything_else_is_told() -> None:
    found = reads(
        "entry.a and run.b and in_audience('vip') and subscribed('sms', 'news') and changed_at('plan') < now"
    )

    assert (found.entry, found.entry_names, found.run, found.run_names) == (
        True,
        frozenset({"a"}),
        True,
        frozenset({"b"}),
    )
    assert (found.audiences, found.subscriptions, found.consents) == (
        frozenset({"vip"}),
        True,
        frozenset({("sms", "news")}),
    )
    assert (found.changed_at, found.now) == (frozenset({"plan"}), True)


def test_the_clock_is_read_where_it_can_change_the_value() -> None:
    assert reads("did('A', within='1 day')").now
    assert reads("last('A') < ago('1 day')").now
    assert not reads("did('A')").now
    assert not reads("last('A', before='2026-01-01' | date)").now


def test_a_bare_date_is_read_in_the_persons_zone() -> None:
    assert reads("profile.birthday | date == run.entered_at").traits == {"birthday", "timezone"}
    assert reads("'2026-01-01T00:00:00Z' | date == run.entered_at").traits == set()
    assert reads("'2026-01-01' | date == run.entered_at").traits == {"timezone"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("profile.x", Type.DATA),
        ("1", Type.NUMBER),
        ("'a'", Type.TEXT),
        ("1 == 1", Type.BOOLEAN),
        ("now", Type.INSTANT),
        ("last('A')", Type.INSTANT),
        ("last('A', 'x')", Type.DATA),
        ("profile.x | date", Type.INSTANT),
        ("profile.x | default(now)", Type.ANY),
        ("values('A', 'x')", Type.LIST),
        ("run.entered_at", Type.INSTANT),
    ],
)
def test_types_are_known_before_there_are_values(source: str, expected: Type) -> None:
    assert compile_expression(source, Place.WAIT).type is expected


def test_what_was_seen_is_every_name_and_function_with_its_value() -> None:
    expression = compile_expression(
        "entry.total >= 50 and count('A', where=event.x == 1) > 0 or not in_audience('vip')", Place.STEP
    )

    seen = expression.seen(scope(entry={"total": 80}, history=history(past("A", x=1))))

    assert seen == {"entry.total": 80, "count('A', where=event.x == 1)": 1, "in_audience('vip')": False}


def test_secrets_are_never_seen() -> None:
    expression = compile_expression("'Bearer ' + secret('KEY')", Place.SECRET_TEXT)

    assert expression.value(scope(secret=lambda name: f"<{name}>")) == "Bearer <KEY>"
    assert expression.seen(scope(secret=lambda name: f"<{name}>")) == {}


def test_layout_is_no_meaning() -> None:
    plain = compile_expression("profile.a == 'x' and profile.b > 1.50", Place.WAIT)
    other = compile_expression('(profile["a"]=="x")\n  and (profile.b>1.5)', Place.WAIT)

    assert plain != other
    assert plain.meaning == other.meaning
    assert plain.node == other.node


def test_the_same_source_is_compiled_once() -> None:
    assert compile_expression("profile.a", Place.WAIT) is compile_expression("profile.a", Place.WAIT)
    assert compile_expression("profile.a", Place.WAIT) != compile_expression("profile.a", Place.STEP)
