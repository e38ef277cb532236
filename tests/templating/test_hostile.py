"""Templates that attack: they end as refusals, soon and small."""

import time

import pytest

from engage.ports.templating import RenderRefused
from engage.templating import compile_templates
from engage.templating.source import TemplateSource
from tests.templating.build import call, mail, request, text

# What only `check` stops is attacked again here, behind its back.
ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ entry.__class__ }}",
    "{{ entry['__class__'] }}",
    "{{ entry | map(attribute='__class__') | list }}",
    "{{ [entry] | map(attribute='__class__') | join }}x",
    "{{ 'a'.format }}",
    "{{ '{0.__class__}'.format(entry) }}",
    "{{ range.__globals__ }}",
    "{{ link.__globals__['os'] }}",
    "{{ namespace.__init__ }}",
    "{% set ns = namespace(a=1) %}{{ ns.__class__ }}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m.name }}",
    "{% for x in [1] %}{{ loop.__init__ }}{% endfor %}",
    "{% for x in [1] %}{{ loop.nextitem.__class__ }}{% endfor %}",
    "{{ self._TemplateReference__context }}",
    "{{ self.__init__ }}",
    "{{ cycler }}",
    "{{ lipsum(1000) }}",
    "{{ joiner }}",
    "{{ dict }}",
    "{{ entry.update({'x': 1}) }}",
    "{{ entry.list.append(1) }}",
    "{{ (1).__class__ }}",
    "{{ 'x' | attr('__class__') }}",
    "{{ entry | tojson }}",
    "{{ entry | pprint }}",
    "{{ '%s' | format(entry) }}",
    "{{ '%s' % entry }}",
    "{{ entry() }}",
    "{{ 'x'() }}",
    "{{ profile.first_name() }}",
    "{{ now.replace(year=1) }}",
    "{{ now.tzinfo }}",
    "{% set entry = 5 %}{{ entry.real }}",
    "{{ secret('FRONT_DESK') }}",
]
BOMBS = [
    "{{ 'x' * 1000000000 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'x' | center(1000000000) }}",
    "{{ 'x' | indent(1000000000) }}",
    "{{ range(1000000000) | list }}",
    "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}",
    "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
    "{% for a in range(10000) %}" + "x" * 10_000 + "{% endfor %}",
    "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% macro m(n, s) %}{% if n %}{{ m(n - 1, s ~ s) }}{% else %}{{ s }}{% endif %}{% endmacro %}{{ m(60, 'xxxx') }}",
    "{% macro m(n, s) %}{% if n %}{{ m(n - 1, s + s) }}{% else %}{{ s }}{% endif %}{% endmacro %}{{ m(60, 'xxxx') }}",
    "{% macro m() %}"
    + "y" * 50_000
    + "{% endmacro %}{% for a in range(9999) %}{% set x %}{{ m() }}{% endset %}{% endfor %}",
    "{% set ns = namespace(s='xxxx') %}{% for a in range(9999) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s='xxxx') %}{% for a in range(9999) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s='xx') %}{% for a in range(9999) %}{% set ns.s = ns.s | replace('x', 'xxxxxxxx') %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(l=[1, 2]) %}{% for a in range(9999) %}{% set ns.l = [ns.l, ns.l] | join(',') %}{% endfor %}{{ ns.l }}",
    "{% set ns = namespace(n=99999999) %}{% for a in range(9999) %}{% set ns.n = ns.n * ns.n %}{% endfor %}{{ ns.n }}",
    "{{ [1] | batch(1000000000) }}",
    "{{ entry.big * 2 }}{% for a in range(9999) %}{{ entry.long | replace('a', entry.long) }}{% endfor %}",
    "{% for a in range(9999) %}{{ entry.long | upper }}{% endfor %}",
    "{% for a in range(9999) %}{% for b in range(9999) | list | sort | reverse %}{% endfor %}{% endfor %}",
    "{% for a in range(9999) %}{{ range(9999) | sum }}{% endfor %}",
    "{{ " + "(" * 500 + "1" + ")" * 500 + " }}{{ 'x' * 9999999999 }}",
    "{% for a in range(9999) %}{{ entry.long is matching('(a+)+$') }}{{ entry.long }}{% endfor %}",
    "{{ now | strftime('%Y' * 99) }}",
    "{{ 1 | round(1000000000) }}",
    "{{ 1.5 | fixed(1000000000) }}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_nothing_leads_out_of_the_sandbox(source: str) -> None:
    templates, problems = compile_templates([TemplateSource(name="t", files={"sms.txt": source})])

    rendered = templates.render(request(entry={"list": [1]}))

    assert isinstance(rendered, RenderRefused)
    assert problems or "templates/t" in rendered.detail
    with pytest.raises(Exception, match=r".+"):
        templates._environment.from_string(source).render(entry={"list": [1]}, profile={"first_name": "Ada"})


@pytest.mark.parametrize("source", BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_is_a_refusal_within_a_second(source: str) -> None:
    templates, _ = compile_templates([TemplateSource(name="t", files={"sms.txt": source})])
    started = time.process_time()

    rendered = templates.render(request(entry={"big": 10**400, "long": "a" * 100_000}))

    assert isinstance(rendered, RenderRefused)
    assert time.process_time() - started < 2


def test_deeply_nested_data_and_templates_are_refused_or_rendered_but_never_raise() -> None:
    deep: object = "x"
    for _ in range(3000):
        deep = [deep]
    source = "{% if 1 %}" * 3000 + "x" + "{% endif %}" * 3000
    templates, problems = compile_templates(
        [
            TemplateSource(name="t", files={"sms.txt": "{{ entry.deep }}"}),
            TemplateSource(name="nested", files={"sms.txt": source}),
        ]
    )

    templates.render(request(entry={"deep": deep}))

    assert isinstance(templates.render(request(template="nested")), RenderRefused)
    assert problems


def test_one_rendering_does_not_pay_for_another() -> None:
    source = "{% for a in range(5000) %}{% for b in range(15) %}{% endfor %}{% endfor %}ok"
    templates, _ = compile_templates([TemplateSource(name="t", files={"sms.txt": source})])

    assert not any(isinstance(templates.render(request()), RenderRefused) for _ in range(3))


def test_a_persons_data_cannot_become_markup_or_a_template() -> None:
    evil = "{{ 7*7 }}<script>alert(1)</script>&\"'"

    html = mail({"email": '<p title="{{ entry.x }}">{{ entry.x }}</p>'}, entry={"x": evil}).html
    twiml = call({"say": [{"say": "{{ entry.x }}"}]}, entry={"x": evil}).twiml

    assert html is not None
    assert "<script>" not in html + twiml
    assert "{{ 7*7 }}" in html
    assert "\"'" not in html
    assert text("{{ entry.x }}", entry={"x": evil}) == evil


def test_a_persons_data_cannot_add_headers() -> None:
    evil = "Hi\r\nBcc: all@shop.example\x0b\u2028X: y"
    meta = {"subject": "{{ entry.x }}", "reply_to": "{{ entry.x }} <a@b.example>"}

    content = mail({"email": "x", "meta": meta}, entry={"x": evil})

    assert content.subject == "Hi Bcc: all@shop.example X: y"
    assert content.reply_to is not None
    assert not set("\r\n\x0b\u2028") & set(content.subject + content.reply_to)


def test_a_file_with_a_nul_is_refused_in_words_and_at_its_line() -> None:
    text = "<p>Hello</p>\n<p>{\0{ profile.first_name }}</p>\n"
    templates, problems = compile_templates([TemplateSource(name="t", files={"email.html": text})])

    assert [(problem.line, problem.message) for problem in problems if not problem.is_warning] == [
        (2, "the file holds U+0000")
    ]
    assert list(templates.names) == []
