"""What the language has not: refused at its place, in words that help."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.domain.expression import ExpressionError, Place, compile_expression


def refusal(source: str, place: Place = Place.WAIT) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source, place)
    assert 0 <= caught.value.offset <= len(source)
    assert caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("source", "at", "hint"),
    [
        ("event.a = 1", "=", "=="),
        ("event.a === 1", "= 1", "=="),
        ("event.a && event.b", "&&", "and"),
        ("event.a || event.b", "||", "or"),
        ("event.a AND event.b", "AND", "and"),
        ("event.a Or event.b", "Or", "or"),
        ("NOT event.a", "NOT", "not"),
        ("!event.a", "!", "not"),
        ("event.a <> 1", "<>", "!="),
        ("event.a % 2", "%", ""),
        ("event.a // 2", "//", "/"),
        ("event.a ** 2", "**", "*"),
        ("event.a ~ 'x'", "~", "+"),
        ("'a' 'b'", "'b'", "+"),
        ("event.a == 'x' 'y'", "'y'", "+"),
        ("('a', 'b')", ", 'b'", "['a', 'b']"),
        ("event.a in ('a', 'b')", ", 'b'", "['a', 'b']"),
        ("{'a': 1}", "{", ""),
        ("event.items()", ".items", ""),
        ("event.name.lower()", ".lower", "| lower"),
        ("event.name.startswith('a')", ".startswith", "starting_with"),
        ("lower(event.name)", "lower", "| lower"),
        ("conut('A')", "conut", "count"),
        ("range(3)", "range", ""),
        ("event.a | lowr", "lowr", "lower"),
        ("event.a | int", "int", "number"),
        ("event.a | first", "first", "head(1)"),
        ("event.a is presnt", "presnt", "present"),
        ("event.a is blank", "blank", "empty"),
        ("event.a is in ['a']", "in [", "in"),
        ("event.a == null", "null", "none"),
        ("evnt.a", "evnt", "event"),
        ("user.plan", "user", "profile"),
        ("plan == 'pro'", "plan", "profile.plan"),
        ("event.a contains 'x'", "contains", "containing"),
        ("event.a equals 'x'", "equals", "=="),
        ("event.a[0]", "[0]", "head"),
        ("event.a[-1]", "[-1]", "tail"),
        ("event.a[1:2]", ":2", "head"),
        ("event.a[event.b]", "[event.b]", "['name']"),
        ("+5", "+", ""),
        ("0x1F", "0x1F", "1000"),
        ("1_000", "1_000", "1000"),
        ("{{ event.a }}", "{{", "braces"),
        ("event.a }}", "}}", "{{ }}"),
        ("{% if event.a %}", "{", ""),
        ("event.a == “x”", "“", "'text'"),
        ("event.a == 'x", "'x", "'"),
        ("event.a ? 1 : 2", "?", "if"),
        ("(event.a", "", "bracket"),
        ("event.a)", ")", "bracket"),
        ("event.a ==", "", ""),
        ("event.a event.b", "event.b", "and"),
        ("profile", "profile", "profile.plan"),
        ("count('A', within=90 days)", "90 days", "'90 days'"),
        ("count('A', within='1 month')", "'1 month'", "wait_until"),
        ("count('A', within='0 days')", "'0 days'", ""),
        ("count('A', within=3)", "3)", "'3 days'"),
        ("count('A', wihtin='3 days')", "'3 days'", "within"),
        ("count('A', where=true, where=false)", "false", ""),
        ("count()", "count", "count('Order Completed')"),
        ("count('A', 'B')", "'B'", ""),
        ("count(event.name)", "event.name", ""),
        ("count('')", "''", ""),
        ("sum('A')", "sum", "'total'"),
        ("sum('A', 'a..b')", "'a..b'", ""),
        ("count('A', since='2026-01-01')", "'2026-01-01'", "| date"),
        ("count('A', since=event.at)", "event.at", "| date"),
        ("sequence('A')", "sequence", ""),
        ("step('A')", "step", ""),
        ("in_audience(event.a)", "event.a", ""),
        ("subscribed('sms')", "subscribed", ""),
        ("subscribed('smss', 'news')", "'smss'", "sms"),
        ("ago('tomorrow')", "'tomorrow'", "wait_until"),
        ("ago(3)", "3", "'3 days'"),
        ("event.a | default", "default", ""),
        ("event.a | default(1, true)", "true", ""),
        ("event.a | round(digits=2)", "2", ""),
        ("event.a is present('x')", "'x'", ""),
        ("event.a is matching event.b", "event.b", "before any person"),
        ("event.a < now", "event.a", "| date"),
        ("now > profile.at", "profile.at", "| date"),
        ("last('A') == entry.at", "entry.at", "| date"),
        ("changed_at('a') > last('A', 'when')", "last('A', 'when')", "| date"),
        ("profile.a | default(event.b) < now", "profile.a", "| date"),
        ("now > '2026-01-01'", "'2026-01-01'", "| date"),
        ("secret('A')", "secret", "webhook"),
    ],
)
def test_it_is_refused_at_its_place_with_a_hint(source: str, at: str, hint: str) -> None:
    error = refusal(source)

    assert hint in error.hint, error
    where = source.index(at) if at else len(source)
    assert error.offset == where


@pytest.mark.parametrize(
    ("pattern", "at"),
    [
        ("a(?=b)", "(?="),
        ("a(?!b)", "(?!"),
        ("(?<=a)b", "(?<="),
        ("(?<!a)b", "(?<!"),
        (r"(a)\\1", r"\\1"),
        (r"\bfoo", r"\b"),
        (r"a\Bb", r"\B"),
        ("a*?b", "*?"),
        ("a+?", "+?"),
        ("a??", "??"),
        ("a{1,2}?", "{1,2}?"),
        ("a++", "++"),
        ("(?P<n>a)", "(?P<"),
        ("(?<n>a)", "(?<"),
        ("a(?i)b", "(?"),
        ("(?s)a", "(?"),
        ("[a](?=b)", "(?="),
        (r"\[(?=b)", "(?="),
    ],
)
def test_a_regex_beyond_linear_time_is_refused_where_it_stands(pattern: str, at: str) -> None:
    source = f"event.a is matching '{pattern}'"

    assert refusal(source).offset == source.index(at)


@pytest.mark.parametrize("pattern", ["(a", "[a", "a)", "*a", "a{9999}", "((a{500}){500}){500}"])
def test_a_regex_that_cannot_be_read_is_refused(pattern: str) -> None:
    assert "regular expression" in refusal(f"event.a | extract('{pattern}')").message


@pytest.mark.parametrize(
    "pattern", ["(?i)^yes", "(?:a|b)+c*d?", r"[?*+(]\d{2,3}[^(?=]", r"\w+\.\w+$", "a{2}", "[]a]"]
)
def test_an_ordinary_regex_is_allowed(pattern: str) -> None:
    compile_expression(f"event.a is matching '{pattern}'", Place.WAIT)


@pytest.mark.parametrize(
    ("place", "allowed"),
    [
        (Place.TRIGGER_WHERE, {"event", "entry"}),
        (Place.ENTRY_WHERE, {"entry"}),
        (Place.PEOPLE, {"entry"}),
        (Place.ORDER, {"entry"}),
        (Place.WAIT, {"event", "entry", "run"}),
        (Place.WHEN, {"entry", "run"}),
        (Place.STEP, {"entry", "run"}),
        (Place.AUDIENCE, set()),
        (Place.TRAIT, set()),
        (Place.TEXT, {"event", "entry", "run"}),
    ],
)
def test_each_place_knows_its_names(place: Place, allowed: set[str]) -> None:
    compile_expression("profile.x == 1 and count('A', where=event.x == 1) > 0", place)
    for name in ("event", "entry", "run"):
        if name in allowed:
            compile_expression(f"{name}.x == 1", place)
        else:
            assert refusal(f"{name}.x == 1", place).offset == 0


TIMED = [Place.AUDIENCE, Place.TRAIT, Place.WHEN]


@pytest.mark.parametrize("place", TIMED)
@pytest.mark.parametrize(
    "source",
    [
        "last('A') < ago('30 days')",
        "ago('30 days') >= last('A')",
        "profile.expires | date <= ahead('3 days')",
        "changed_at('plan') > ago('1 week')",
        "count('A', within='3 days') > 1",
        "count('A', since=ago('3 days'), before=now) > 1",
        "not (first('A') == ago('1 day')) and true",
        "count('A', where=event.at | date > ago('3 days')) > 0",
    ],
)
def test_where_the_clock_decides_time_is_an_instant_against_ago_or_ahead(source: str, place: Place) -> None:
    compile_expression(source, place)


@pytest.mark.parametrize("place", TIMED)
@pytest.mark.parametrize(
    "source",
    [
        "now",
        "profile.expires | date < now",
        "ago('3 days')",
        "[ago('3 days')] | length",
        "last('A') in [ago('3 days')]",
        "last('A') | default(ago('3 days')) < last('B')",
        "(ago('1 day') if profile.x else ago('2 days')) < last('A')",
        "now | date < last('A')",
    ],
)
def test_where_the_clock_decides_any_other_use_of_time_is_refused(source: str, place: Place) -> None:
    refusal(source, place)


def test_the_very_instant_is_ago_nothing() -> None:
    assert "ago('0 seconds')" in refusal("profile.expires | date < now", Place.AUDIENCE).hint
    compile_expression("profile.expires | date < ago('0 seconds')", Place.AUDIENCE)


def test_conditions_on_events_may_look_at_other_events_but_not_without_end() -> None:
    compile_expression("did('A', where=did('B', where=event.x == 1))", Place.AUDIENCE)
    assert "too deeply" in refusal("did('A', where=did('B', where=did('C', where=event.x == 1)))").message


def test_elsewhere_time_is_free() -> None:
    compile_expression("[now, ago('3 days')] | length == 2 and run.entered_at < now", Place.STEP)


def test_secrets_stand_in_webhooks_and_voice_scripts_only() -> None:
    assert compile_expression("secret('KEY')", Place.SECRET_TEXT).reads.secrets == {"KEY"}
    for place in set(Place) - {Place.SECRET_TEXT}:
        refusal("secret('KEY')", place)


def test_an_unknown_audience_is_pointed_at() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression("true and in_audience('vpi')", Place.STEP, audiences=["vip"])

    assert (caught.value.offset, caught.value.hint) == (21, "did you mean `vip`?")
    compile_expression("in_audience('vip')", Place.STEP, audiences=["vip"])


def test_more_than_4000_characters_are_refused() -> None:
    compile_expression("1" + " " * 3_999, Place.STEP)
    assert refusal("1" + " " * 4_000).offset == 4_000


@pytest.mark.parametrize(
    "source",
    [
        "(" * 51 + "1" + ")" * 51,
        "[" * 51 + "]" * 51,
        "not " * 51 + "true",
        "-" * 60 + "event.x",
        "1 if true else " * 60 + "2",
        "event.x" + " | lower" * 60,
        "(" * 1990 + "1" + ")" * 1990,
        "not " * 990 + "true",
        "1 if true else " * 260 + "2",
        "event.x" + "|lower" * 660,
    ],
)
def test_more_than_50_levels_are_refused(source: str) -> None:
    assert "50 levels" in refusal(source).message


def test_a_long_list_of_conditions_is_not_deep() -> None:
    compile_expression(" or ".join(f"event.x == {n}" for n in range(200)), Place.WAIT)
    compile_expression(" + ".join(["event.x"] * 300), Place.WAIT)
    compile_expression("(" * 40 + "1" + ")" * 40, Place.WAIT)


WORDS = st.sampled_from(
    [
        "profile",
        "event",
        "entry",
        "run",
        "now",
        ".",
        "(",
        ")",
        "[",
        "]",
        ",",
        "|",
        "is",
        "not",
        "and",
        "or",
        "if",
        "else",
        "in",
        "==",
        "!=",
        "<",
        "<=",
        "=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "'a'",
        "'3",
        "days'",
        '"b"',
        "1",
        "2.5",
        "none",
        "true",
        "count",
        "did",
        "sum",
        "last",
        "sequence",
        "step",
        "ago",
        "in_audience",
        "within=",
        "where=",
        "since=",
        "lower",
        "default",
        "round",
        "present",
        "matching",
        "{{",
        "}}",
        "{%",
        "&",
        "?",
        "'",
        "#",
        "\\",
        "é\n",
    ]
)


@settings(max_examples=400)
@given(
    st.lists(WORDS, max_size=25).map(" ".join)
    | st.lists(WORDS, max_size=25).map("".join)
    | st.text(max_size=60)
)
def test_any_source_is_compiled_or_refused(source: str) -> None:
    for place in (Place.WAIT, Place.AUDIENCE):
        try:
            compile_expression(source, place)
        except ExpressionError as exc:
            error = exc
        else:
            continue
        assert error.message
        assert error.hint
        assert 0 <= error.offset <= len(source)
