"""What templates print and compute, and that nothing missing ever gets out."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.delivery.delivery import Channel
from engage.ports.channel import SmsContent
from engage.ports.templating import Rendered, RenderRefused
from engage.templating import TemplateSource, compile_templates
from tests.templating.build import LINKS, problems, published, refusal, request, text


@pytest.mark.parametrize(
    ("source", "entry", "expected"),
    [
        ("{{ entry.a }}", {"a": "x"}, "x"),
        ("{{ entry.a }}", {"a": 5}, "5"),
        ("{{ entry.a }}", {"a": Decimal("79.90")}, "79.90"),
        ("{{ entry.a }}", {"a": Decimal("1E+3")}, "1000"),
        ("{{ entry.a }}", {"a": True}, "true"),
        ("{{ entry.a }}", {"a": ["x", 1]}, '["x",1]'),
        ("{{ entry.a }}", {"a": 0}, "0"),
        ("{{ entry.a }}!", {"a": ""}, "!"),
        ("{{ entry.a * 2 }}", {"a": Decimal("79.5")}, "159"),
        ("{{ entry.a * 1.1 }}", {"a": Decimal("0.1")}, "0.11"),
        ("{{ entry.a / 3 }}", {"a": 1}, "0.333333333333"),
        ("{{ 0.1 + 0.2 }}", {}, "0.3"),
        ("{{ 7 // 2 }} {{ 7 % 2 }} {{ -entry.a }}", {"a": 3}, "3 1 -3"),
        ("{{ entry.a ~ '-' ~ 5 }}", {"a": Decimal("1.50")}, "1.50-5"),
        ("{{ entry.a + 'b' }}", {"a": "a"}, "ab"),
        ("{{ entry.items.name | join(', ') }}", {"items": [{"name": "A"}, {"x": 1}, {"name": "B"}]}, "A, B"),
        ("{{ entry.items }}", {"items": "data, not a method"}, "data, not a method"),
        ("{{ entry.keys.get.pop }}", {"keys": {"get": {"pop": "deep"}}}, "deep"),
        ("{{ entry['odd name'] }}", {"odd name": 1}, "1"),
        ("{{ entry.l[0] }}{{ entry.l[-1] }}", {"l": [1, 2]}, "12"),
        ("{{ entry.a | round(1) }} {{ entry.a | fixed(2) }}", {"a": Decimal("2.25")}, "2.3 2.25"),
        ("{{ entry.a | fixed }}", {"a": 5}, "5.00"),
        ("{{ entry.a | upper | head(3) }}", {"a": "straße"}, "STR"),
        ("{{ entry.n | number + 1 }}", {"n": "41"}, "42"),
        ("{{ entry.d | date | strftime('%d.%m.%Y') }}", {"d": "2026-03-01"}, "01.03.2026"),
        ("{{ entry.x | extract('[0-9]+') }}", {"x": "order 17"}, "17"),
        ("{{ entry.l | sort | join('') }}{{ entry.l | sum }}", {"l": [2, 1, 3]}, "1236"),
        ("{{ entry.l | map(attribute='n') | join('') }}", {"l": [{"n": 1}, {"n": 2}]}, "12"),
        (
            "{{ entry.l | selectattr('ok') | map(attribute='n') | join('') }}",
            {"l": [{"n": 1, "ok": True}, {"n": 2}]},
            "1",
        ),
        ("{{ entry.a | truncate(6) }}", {"a": "too long a text"}, "too l…"),
        ("{{ entry.a or 'else' }}", {}, "else"),
    ],
)
def test_values_print_as_the_language_says(source: str, entry: dict[str, Any], expected: str) -> None:
    assert text(source, entry=entry) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ entry.gone }}",
        "{{ entry.gone.deeper }}",
        "{{ entry.none }}",
        "{{ entry.gone ~ 'x' }}",
        "{{ entry.gone | upper }}",
        "{{ entry.gone + 1 }}",
        "{{ 1 - entry.gone }}",
        "{{ -entry.gone }}",
        "{% if entry.gone * 2 > 10 %}x{% endif %}",
        "{% for x in entry.gone %}x{% endfor %}",
        "{% set x = entry.gone %}{{ x }}",
        "{{ [entry.gone][0] }}",
        "{{ entry.list | first }}",
        "{{ entry.list[7] }}",
        "{{ entry.nested | join(entry.gone) }}",
        "{% for x in entry.nested %}{{ x }}{% endfor %}",
        "{{ entry.text | date }}",
        "{{ entry.text | number }}",
        "{{ entry.text | extract('[0-9]+') }}",
        "{{ entry.nested | sum }}",
        "{{ entry.text | replace('t', entry.gone) }}",
        "{{ 1 / entry.zero }}",
        "{{ entry.text + 1 }}",
        "{{ entry.text.upper }}",
        "{{ with.gone }}",
        "{{ event.gone }}",
        "{{ run.gone }}",
    ],
)
def test_printing_or_computing_with_what_is_missing_is_a_refusal(source: str) -> None:
    entry = {"none": None, "list": [], "nested": [None], "text": "txt", "zero": 0}

    detail = refusal(f"Hi {source}", entry=entry)

    assert detail.startswith("templates/t/sms.txt:1: ")
    assert "None" not in detail
    assert "txt" not in detail.replace("sms.txt", "")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% if entry.gone %}a{% else %}b{% endif %}", "b"),
        ("{% if entry.gone > 5 or 5 < entry.gone %}a{% else %}b{% endif %}", "b"),
        ("{% if entry.gone == none and entry.gone is none and entry.gone is not defined %}a{% endif %}", "a"),
        ("{% if entry.gone is empty and not (entry.gone is present) %}a{% endif %}", "a"),
        ("{% if entry.gone != 'x' %}a{% endif %}", "a"),
        ("{% if entry.gone | length > 0 %}a{% else %}b{% endif %}", "b"),
        ("{% if 'x' in entry.gone %}a{% else %}b{% endif %}", "b"),
        ("{{ entry.gone | default('d') }}", "d"),
        ("{{ entry.gone.deep | default('d') }}", "d"),
        ("{{ entry.gone | upper | default('d') }}", "d"),
        ("{{ (entry.gone + 1) | default('d') }}", "d"),
        ("{% for x in entry.gone | default([]) %}x{% else %}none{% endfor %}", "none"),
        ("{{ 'a' if entry.gone else 'b' }}", "b"),
        ("{{ entry.nested | join(',') }}x", "x"),
    ],
)
def test_if_tests_and_default_may_look(source: str, expected: str) -> None:
    assert text(source, entry={"nested": [None]}) == expected


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("entry.a == 1", True),
        ("entry.a == true", False),
        ("entry.a == '1'", False),
        ("entry.d == 1.5", True),
        ("entry.d > 1.4 and entry.d < 1.6", True),
        ("entry.a < 'x'", False),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("entry.a in [1, 2]", True),
        ("entry.a not in [1, 2]", False),
        ("'b' in entry.t", True),
        ("entry.t is starting_with('a')", True),
        ("entry.t is matching('^ab')", True),
        ("now > ago('1 day')", True),
        ("entry.when | date < now", True),
    ],
)
def test_conditions_mean_what_they_mean_in_expressions(condition: str, holds: bool) -> None:
    entry = {"a": 1, "d": Decimal("1.5"), "t": "abc", "when": "2026-01-01T00:00:00Z"}

    assert text(f"{{% if {condition} %}}yes{{% else %}}no{{% endif %}}", entry=entry) == (
        "yes" if holds else "no"
    )


def test_with_is_a_name_in_expressions_and_in_statements() -> None:
    source = "{% if with.code and with.code == 'A' %}{{ with.code }}{% endif %}{{ with['code'] }}"

    assert text(source, variables={"code": "A"}) == "AA"


def test_jinjas_own_with_statement_still_works() -> None:
    assert text("{% with x = with.code %}{{ x }}{% endwith %}", variables={"code": "A"}) == "A"


def test_the_clock_is_the_requests_and_strftime_the_persons_wall() -> None:
    source = "{{ now }} {{ now | strftime('%H:%M') }} {{ ahead('1 day') | strftime('%d.') }}"

    assert text(source, zone="America/New_York") == "2026-03-01T12:00:00Z 07:00 02."


def test_an_invalid_zone_stops_nobody() -> None:
    assert text("{{ now | strftime('%H:%M') }}", zone="Mars/Olympus") == "12:00"


def test_links_are_there_and_lazy() -> None:
    source = "{{ unsubscribe_url }} {{ preferences_url }} {{ view_url }} {{ confirm_url('news') }} {{ link('https://x/y') }}"

    assert text(source) == (
        "https://engage.example/u/t https://engage.example/p/t https://engage.example/v/t"
        " https://engage.example/c/news https://x/y"
    )


def test_a_link_that_is_not_used_is_not_made() -> None:
    class Expensive:
        confirm_url = LINKS.confirm_url

        def __getattr__(self, name: str) -> str:
            raise AssertionError(name)

    assert text("Hi", links=Expensive()) == "Hi"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ confirm_url('nope') }}", "no topic"),
        ("{{ link('javascript:alert(1)') }}", "https://"),
        ("{{ link(entry.url) }}", "https://"),
    ],
)
def test_a_link_that_cannot_be_made_is_a_refusal(source: str, says: str) -> None:
    assert says in refusal(source, entry={"url": "https://x/ y"})


def test_the_refusal_names_file_line_and_value() -> None:
    detail = refusal("line one\n\nHi {{ profile.address.city }}")

    assert detail.startswith("templates/t/sms.txt:3: `profile.address.city` is missing")


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
_expressions = st.recursive(
    st.sampled_from(
        ["entry.a", "entry.b.c", "entry.a.b", "with.x", "profile.a", "'x'", "5", "1.5", "[1, entry.a]", "now"]
    ),
    lambda inner: (
        st.builds(
            "{} | {}".format,
            inner,
            st.sampled_from(
                [
                    "upper",
                    "default('d')",
                    "length",
                    "join(',')",
                    "first",
                    "sum",
                    "round",
                    "date",
                    "number",
                    "list",
                    "sort",
                    "title",
                    "fixed",
                    "unique",
                    "string",
                    "items",
                    "reverse",
                ]
            ),
        )
        | st.builds(
            "({} {} {})".format,
            inner,
            st.sampled_from(["+", "-", "*", "/", "~", "==", "<", "and", "or", "in"]),
            inner,
        )
        | st.builds("({} if {} else {})".format, inner, inner, inner)
    ),
    max_leaves=5,
)
_PLENTY = published({"sms": "x"})


@given(source=_expressions, entry=st.dictionaries(st.sampled_from("ab"), _json))
def test_no_template_raises_and_none_is_never_printed(source: str, entry: dict[str, Any]) -> None:
    request_ = request(
        template=None,
        text="<{{ " + source + " }}>",
        entry=entry,
        variables={"x": entry.get("a")},
        profile=entry,
    )

    rendered = _PLENTY.render(request_)

    if isinstance(rendered, RenderRefused):
        assert "cannot be computed" not in rendered.detail, rendered.detail
    else:
        assert isinstance(rendered.content, SmsContent)
        assert "None" not in rendered.content.body or "None" in str(entry)
        assert "Undefined" not in rendered.content.body


@given(st.text(max_size=60) | st.text("{}%#|.'\" \nabif()[]_-~", max_size=60))
def test_any_text_renders_or_is_refused(source: str) -> None:
    assert isinstance(_PLENTY.render(request(template=None, text=source)), Rendered | RenderRefused)


def test_an_inline_text_has_no_version() -> None:
    rendered = _PLENTY.render(request(template=None, text="Hi {{ profile.first_name }}"))

    assert rendered == Rendered(content=SmsContent(body="Hi Ada"), template_version=None)


def test_an_unknown_name_in_an_inline_text_is_a_refusal_with_a_hint() -> None:
    rendered = _PLENTY.render(request(template=None, text="Hi {{ first_name }}"))

    assert isinstance(rendered, RenderRefused)
    assert "profile.first_name" in rendered.detail


def test_an_unknown_template_is_a_refusal() -> None:
    assert isinstance(_PLENTY.render(request(template="gone")), RenderRefused)


def test_a_channel_the_template_has_no_content_for_is_a_refusal() -> None:
    assert _PLENTY.render(request(Channel.VOICE)) == RenderRefused(detail="the template has no voice")
    assert _PLENTY.render(request(Channel.EMAIL)) == RenderRefused(detail="the template has no email")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ profil.name }}", "t/sms.txt:1:1: `profil` is not known; did you mean `profile`?"),
        ("a\n{{ x | uper }}", "t/sms.txt:2:1: there is no filter `uper`; did you mean `upper`?"),
        ("{% if entry.a is stringg %}{% endif %}", "there is no test `is stringg`; did you mean `string`?"),
        ("{{ entry.a.upper() }}", "`upper(…)` is not available; use `| upper`"),
        ("{{ 'x' if entry.a }}", "prints nothing when it is false; add `else ''`"),
        ("{{ none }}", "none cannot be printed"),
        ("{{ entry.__class__ }}", "`__class__` is not available"),
        ("{{ 2 ** 8 }}", "`**` is not available"),
        ("{% include 'gone.txt' %}", "there is no partial `gone.txt`"),
        ("{% include entry.a %}", "a partial is named in quotes"),
        ("{{ secret('X') }}", "`secret` may be used in `dial` only"),
        ("{% autoescape false %}{% endautoescape %}", "escaping cannot be switched off"),
        ("{% for x in entry.a recursive %}{% endfor %}", "`recursive` loops are not available"),
        ("one\ntwo {{ entry.a", "t/sms.txt:2:1: "),
        ("{% if entry.a %}", "is never ended"),
    ],
)
def test_a_mistake_is_found_at_publish(source: str, says: str) -> None:
    assert any(says in problem for problem in problems({"sms": source})), problems({"sms": source})


def test_all_mistakes_of_all_files_are_told_in_one_go() -> None:
    found = problems({"sms": "{{ a }}{{ b }}", "email": "{{ c }}\n{{ d }}", "meta": {"subjekt": "x"}})

    assert len(found) == 5


def test_a_broken_template_does_not_keep_others_from_rendering() -> None:
    sources = [
        TemplateSource(name="good", files={"sms.txt": "fine"}),
        TemplateSource(name="bad", files={"sms.txt": "{{ broken"}),
    ]

    templates, found = compile_templates(sources)

    assert len(found) == 1
    assert templates.names == {"good"}
    assert isinstance(templates.render(request(template="good")), Rendered)
