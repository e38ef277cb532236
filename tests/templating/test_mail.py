"""Mail: compiled, inlined and read off as text at publish, with every construct in its place."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engage.domain.delivery.delivery import Channel
from engage.ports.templating import RenderRefused
from engage.templating.pieces import join, split
from tests.templating.build import compiled, mail, problems, published, request

STYLE = "<style>.b{color:red} td{padding:2px} @media (max-width:9px){.b{color:blue}}</style>"
ITEMS = [{"name": "Tea & Co", "price": 5}, {"name": "Cup", "price": 7}]


def html_of(source: str, shared: dict[str, str] | None = None, **given_: Any) -> str:
    html = mail({"email": source, "meta": {"subject": "s"}}, shared, **given_).html
    assert html is not None
    return html


def text_of(source: str, shared: dict[str, str] | None = None, **given_: Any) -> str:
    return mail({"email": source, "meta": {"subject": "s"}}, shared, **given_).text


def test_css_is_inlined_and_media_queries_stay() -> None:
    html = html_of(f"<html><head>{STYLE}</head><body><p class='b'>Hi</p></body></html>")

    assert '<p class="b" style="color: red;">Hi</p>' in html
    assert "@media" in html


def test_constructs_come_through_inlining_untouched() -> None:
    source = (
        f'{STYLE}<p class="b" title=\'{{{{ entry.t | default("<&>") }}}}\'>{{% if 1 < 2 and \'a\' != "b" %}}'
        '<b {% if entry.t %}class="b"{% endif %}>x</b>{% endif %}</p><a href="{{ link(\'https://x/?a=1&b=2\') }}">l</a>'
    )

    html = html_of(source)

    assert 'title="&lt;&amp;&gt;"' in html
    assert "<b >x</b>" in html
    assert 'href="https://x/?a=1&amp;b=2"' in html
    assert 'style="color: red;"' in html


def test_a_loop_over_table_rows_stays_around_its_rows() -> None:
    source = f"{STYLE}<table>\n{{% for i in entry.items %}}<tr><td>{{{{ i.name }}}}</td></tr>{{% endfor %}}</table>"

    html = html_of(source, entry={"items": ITEMS})

    assert re.sub(r"\s", "", html).count('<tr><tdstyle="padding:2px;">') == 2
    assert html.count("<tbody>") == html.count("</tbody>") == 1
    assert "Tea &amp; Co" in html


def test_a_value_that_is_rows_stays_in_its_table() -> None:
    source = f"{STYLE}<table>{{{{ entry.rows | safe }}}}</table><p class='b'>x</p>"

    html = html_of(source, entry={"rows": "<tr><td>1</td></tr>"})

    assert 'style="color: red;"' in html
    assert "<table><tr><td>1</td></tr></table>" in html


def test_a_mail_whose_constructs_would_move_keeps_its_style_instead() -> None:
    source = (
        f"{STYLE}<p class='b'>{{% if entry.x %}}<div>{{% endif %}}x{{% if entry.x %}}</div>{{% endif %}}</p>"
    )

    html = html_of(source, entry={"x": 1})

    assert html == f"{STYLE}<p class='b'><div>x</div></p>"


def test_a_value_in_css_is_inlined_too() -> None:
    html = html_of("<style>p{color:{{ with.brand }}}</style><p>x</p><p>y</p>", variables={"brand": "#123456"})

    assert html.count("color: #123456") == 2


def test_a_remote_stylesheet_is_never_fetched() -> None:
    html = html_of(f'{STYLE}<link rel="stylesheet" href="http://127.0.0.1:1/x.css"><p class="b">x</p>')

    assert 'style="color: red;"' in html


MJML = """<mjml><mj-head><mj-style inline="inline">.b {{ '{' }} color: red {{ '}' }}</mj-style></mj-head><mj-body>
{% if entry.items %}<mj-section><mj-column>
{% for i in entry.items %}<mj-text>{{ i.name | default("a<b") }}: {% if i.price < 6 and 1 > 0 %}cheap{% else %}dear{% endif %}</mj-text>{% endfor %}
<mj-button href="{{ link('https://shop/cart') }}">Go</mj-button>
</mj-column></mj-section>{% endif %}
</mj-body></mjml>"""


def test_mjml_is_compiled_with_its_loops_in_place() -> None:
    html = html_of(MJML, entry={"items": ITEMS})

    assert "<mj-" not in html
    assert html.index("Tea &amp; Co: cheap") < html.index("Cup: dear") < html.index("https://shop/cart")
    assert html.count("<tr>") == html.count("</tr>")


def test_mjml_without_items_has_no_section() -> None:
    assert "Go" not in html_of(MJML, entry={"items": []})


def test_broken_mjml_is_a_mistake_not_a_traceback() -> None:
    assert any("email.mjml:1:1: MJML" in problem for problem in problems({"email": "<mjml><mj-body>"}))


def test_the_text_part_is_read_off_the_html() -> None:
    source = (
        "<head><title>t</title><style>p{}</style></head><body><h1>Hello {{ profile.first_name }}</h1>"
        "<p>One<br>two &amp; <a href='https://x'>three</a></p>"
        "<table>{% for i in entry.items %}<tr><td>{{ i.name }}</td><td>{{ i.price }}</td></tr>{% endfor %}</table>"
        "<ul><li>a</li><li>b</li></ul><div style='display:none'>hidden</div><img alt='logo'>"
        "{% if entry.gone %}<p>never</p>{% else %}<p>always</p>{% endif %}</body>"
    )

    assert text_of(source, entry={"items": ITEMS}) == (
        "Hello Ada\n\nOne\ntwo & three (https://x)\n\nTea & Co 5\nCup 7\n\n- a\n- b\n\nlogo\n\nalways"
    )


def test_the_text_of_a_mail_with_macros_is_read_off_when_rendered() -> None:
    shared = {
        "buttons.html": "{% macro button(url, label) %}<a href='{{ url }}'>{{ label }}</a>{% endmacro %}"
    }
    source = "{% from 'buttons.html' import button %}<p>Hi &amp; {{ button('https://x', 'Go') }}</p>"

    content = mail({"email": source, "meta": {"subject": "s"}}, shared)

    assert content.html == "<p>Hi &amp; <a href='https://x'>Go</a></p>"
    assert content.text == "Hi & Go (https://x)"


def test_a_written_text_part_wins_over_the_derived_one() -> None:
    content = mail({"email": "<p>html</p>", "email.txt": "by hand", "meta": {"subject": "s"}})

    assert (content.html, content.text) == ("<p>html</p>", "by hand")


def test_a_mail_may_be_text_only() -> None:
    content = mail({"email.txt": "Hi {{ profile.first_name }} & co", "meta": {"subject": "s"}})

    assert (content.html, content.text) == (None, "Hi Ada & co")


def test_the_headers_come_from_meta() -> None:
    meta = {
        "subject": "Cart of {{ profile.first_name }}",
        "preheader": "Don't miss <b> {{ entry.total }}",
        "from": "Shop & Co <hello@shop.example>",
        "reply_to": "help@shop.example",
    }

    content = mail({"email": "<html><body class=x>Hi</body></html>", "meta": meta}, entry={"total": 5})

    assert content.subject == "Cart of Ada"
    assert (content.from_name, content.from_address) == ("Shop & Co", "hello@shop.example")
    assert content.reply_to == "help@shop.example"
    assert content.categories == ("t",)
    assert content.html is not None
    assert re.search(r'<body class=x><div style="display:none[^>]*>Don\'t miss', content.html)
    assert content.text == "Hi"


def test_a_sender_may_be_written_as_name_and_email() -> None:
    meta = {
        "subject": "s",
        "from": {"email": "hello@shop.example", "name": "Shop"},
        "reply_to": {"email": "a@b.example"},
    }

    content = mail({"email": "x", "meta": meta})

    assert (content.from_name, content.from_address) == ("Shop", "hello@shop.example")
    assert content.reply_to == "a@b.example"


def test_marketing_mail_can_be_unsubscribed_with_one_click() -> None:
    content = mail({"email": "x", "meta": {"subject": "s"}}, marketing=True)

    assert content.headers == {
        "List-Unsubscribe": "<https://engage.example/u/t>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert mail({"email": "x", "meta": {"subject": "s"}}).headers == {}


def test_where_the_shop_takes_a_no_by_mail_the_header_says_so_too() -> None:
    content = mail(
        {"email": "x", "meta": {"subject": "s"}}, marketing=True, unsubscribe_mailbox="leave@in.shop.example"
    )

    assert content.headers["List-Unsubscribe"] == (
        "<https://engage.example/u/t>, <mailto:leave@in.shop.example?subject=unsubscribe>"
    )


def test_a_mail_without_a_subject_is_a_warning() -> None:
    _, found = compiled({"email": "x"})

    assert [(problem.is_warning, "no subject" in problem.message) for problem in found] == [(True, True)]
    assert mail({"email": "x"}).subject == "t"


def test_a_refusal_names_the_line_of_the_file_not_of_what_was_made_of_it() -> None:
    source = f"<html>\n<head>{STYLE}</head>\n<body>\n\n<p>\n{{{{ entry.gone }}}}</p></body></html>"

    for name, content in {
        "email.html": source,
        "email.mjml": MJML.replace("{{ link(", "{{ entry.gone ~ link("),
    }.items():
        rendered = published({name: content, "meta": {"subject": "s"}}).render(
            request(Channel.EMAIL, entry={"items": ITEMS})
        )

        assert isinstance(rendered, RenderRefused)
        line = content.count("\n", 0, content.index("entry.gone")) + 1
        assert rendered.detail.startswith(f"templates/t/{name}:{line}: `entry.gone` is missing")


def test_a_refusal_in_the_subject_names_it() -> None:
    rendered = published({"email": "x", "meta": {"subject": "{{ entry.gone }}"}}).render(
        request(Channel.EMAIL)
    )

    assert isinstance(rendered, RenderRefused)
    assert rendered.detail.startswith("templates/t/meta.yaml: subject:1: `entry.gone` is missing")


@pytest.mark.parametrize("name", ["footer.html", "_shared/footer.html"])
def test_a_partial_sees_the_values_and_the_css(name: str) -> None:
    shared = {"footer.html": "<p class='b'>{{ profile.first_name }} {{ unsubscribe_url }}</p>"}

    html = html_of(f"{STYLE}<i>x</i>{{% include '{name}' %}}", shared)

    assert 'style="color: red;">Ada https://engage.example/u/t</p>' in html


def test_a_layout_gets_its_blocks_and_its_css_reaches_them() -> None:
    shared = {
        "layout.html": f"<html><head>{STYLE}</head><body>{{% block body %}}none{{% endblock %}}"
        "<i>{% block foot %}foot{% endblock %}</i></body></html>"
    }
    source = (
        "{% extends 'layout.html' %}{% set x = 5 %}{% block body %}<p class='b'>{{ x }}</p>{% endblock %}"
        "{% block foot %}my {{ super() }}{% endblock %}"
    )

    html = html_of(source, shared)

    assert '<p class="b" style="color: red;">5</p><i>my foot</i>' in html


def test_a_mjml_layout_works_too() -> None:
    shared = {"layout.mjml": "<mjml><mj-body>{% block body %}{% endblock %}</mj-body></mjml>"}
    source = (
        "{% extends 'layout.mjml' %}{% block body %}<mj-section><mj-column><mj-text>Hi {{ profile.first_name }}"
        "</mj-text></mj-column></mj-section>{% endblock %}"
    )

    html = mail({"email.mjml": source, "meta": {"subject": "s"}}, shared).html

    assert html is not None
    assert "Hi Ada" in html


def test_partials_in_a_circle_are_a_refusal_or_mistake_but_no_exception() -> None:
    shared = {"a.html": "{% include 'b.html' %}", "b.html": "{% include 'a.html' %}"}
    templates, found = compiled({"email": "{% include 'a.html' %}", "meta": {"subject": "s"}}, shared)

    assert found or isinstance(templates.render(request(Channel.EMAIL)), RenderRefused)


def test_two_bodies_for_one_locale_are_a_mistake() -> None:
    assert any(
        "there are two of this" in found
        for found in problems({"email.html": "x", "email.mjml": "<mjml></mjml>"})
    )


def test_an_inline_text_can_be_a_mail() -> None:
    rendered = published({"sms": "x"}).render(
        request(Channel.EMAIL, template=None, text="Hello {{ profile.first_name }}\nmore")
    )

    assert not isinstance(rendered, RenderRefused)
    assert rendered.content == mail(
        {"email.txt": "Hello Ada\nmore", "meta": {"subject": "Hello Ada"}}
    ).__class__(subject="Hello Ada", html=None, text="Hello Ada\nmore")


@given(st.text("{}%#<>\"'= \nabraw/!-", max_size=60))
@example(" {%-")
@example("a\n\n {%- if b -%}\n {{- a }} {#- b -#} {% raw -%} a {%- endraw %} a")
def test_pieces_joined_are_the_source_again(source: str) -> None:
    try:
        pieces = split(source)
    except Exception:
        return

    assert join(pieces) == source


_mails = st.lists(
    st.sampled_from(
        [
            "<p class=b>",
            "</p>",
            "text ",
            "{{ entry.a }}",
            "{% if entry.a %}",
            "{% endif %}",
            "<table>",
            "<tr><td>",
            "</td></tr>",
            "</table>",
            "{% for x in entry.l %}",
            "{% endfor %}",
            "<!-- c -->",
            "<a href='{{ entry.a }}'>",
            "</a>",
            "<br>",
            "<b {% if entry.a %}x='1'{% endif %}>",
            "&amp;",
            "<style>p{color:red}</style>",
            "<title>",
            "</title>",
            "<!--",
            "-->",
            "<",
            '"',
        ]
    ),
    max_size=12,
)


@given(_mails)
def test_inlining_never_loses_or_moves_what_a_mail_says(parts: list[str]) -> None:
    """With and without publishing's work, a mail renders to the same words, or is refused both times."""
    source = "".join(parts)
    templates, found = compiled({"email.html": source, "meta": {"subject": "s"}})
    if any(not problem.is_warning for problem in found):
        return
    asked = request(Channel.EMAIL, entry={"a": "V", "l": [1, 2]})

    rendered = templates.render(asked)

    assert not isinstance(rendered, RenderRefused), rendered
    plain = templates._environment.get_template("t/email.html").render(entry={"a": "V", "l": [1, 2]})
    html = getattr(rendered.content, "html", "")
    assert html.count("V") == plain.count("V") or "<style>" in source
    # After a stray `<` the word is the name of a tag: an HTML parser may then close what nobody opened.
    assert html.count("text") == plain.count("text") or "<text" in plain


def test_a_layout_on_a_layout_keeps_the_words_of_both() -> None:
    shared = {
        "base.html": f"{STYLE}<body><h1>{{% block head %}}base{{% endblock %}}</h1>{{% block body %}}{{% endblock %}}</body>",
        "offer.html": '{% extends "_shared/base.html" %}{% block body %}<p class="b">{% block words %}{% endblock %}</p>{% endblock %}',
    }
    source = '{% extends "_shared/offer.html" %}{% block head %}{{ super() }} and mine{% endblock %}{% block words %}Come in{% endblock %}'

    html = html_of(source, shared)

    assert "<h1>base and mine</h1>" in html
    assert '<p class="b" style="color: red;">Come in</p>' in html
