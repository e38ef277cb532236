"""A template that cannot be read is told in a marketer's words, with what to write."""

import pytest

from tests.templating.build import problems


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "{{ entry.a saves 5%",
            "`saves` cannot stand here; `}}` is missing before it, or `|` before a filter",
        ),
        ("{{ entry.a", "a `{{` is not closed with `}}`"),
        ("{% for x in entry.l %}x", "`{% for … %}` is never ended; write `{% endfor %}` where it ends"),
        ("{% if entry.a %}x", "`{% if … %}` is never ended; write `{% endif %}` where it ends"),
        ("x{% endif %}", "`{% endif %}` ends what was never begun; take it away, or begin with `{% if … %}`"),
        (
            "{% if entry.a %}x{% endfor %}",
            "`{% endfor %}` stands where `{% endif %}` is due; end what was begun last first",
        ),
        ("{% foor x in entry.l %}x{% endfor %}", "there is no `{% foor %}`; did you mean `{% for %}`?"),
        ("{{ link(‘https://a.example’) }}", "`‘` is not a quote here; use straight quotes: `'text'`"),
        ("{{ 'x }}", "a text is not closed with '"),
        ("{{ entry.a – 1 }}", "`–` is no minus; write `-`"),
        ("{{ entry.a && entry.b }}", "`&` cannot stand between `{{` and `}}`; did you mean `and`?"),
        ("{% if entry.a = 1 %}x{% endif %}", "`=` cannot stand here; did you mean `==`?"),
        ("{% for x of entry.l %}x{% endfor %}", "`of` cannot stand here; did you mean `in`?"),
        ("{{ entry.a | }}", "the name of a filter is missing behind `|`"),
        ("{{ }}", "nothing stands before `}}`; a value is missing"),
        ("{{ entry.a } }", "`}` closes nothing; a value ends with `}}`, without a blank between"),
        ("{# a remark", "a `{#` is not closed with `#}`"),
        (
            "{{ entry.a | format('%d') }}",
            "there is no filter `format`; write a day with `| date | strftime('%d %B %Y')`, a number with `| fixed(2)`",
        ),
        ("{{ entry.a | capfirst }}", "there is no filter `capfirst`; write `| capitalize`"),
    ],
)
def test_what_jinja_says_is_said_in_words(source: str, told: str) -> None:
    assert problems({"sms": source}) == [f"templates/t/sms.txt:1:1: {told}"]
