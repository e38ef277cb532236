"""Lint of mail: what filters dislike, readers miss and mail programs drop, told where it stands and never in the way."""

import pytest

from tests.templating.build import compiled

WORDS = "Two dozen words that make a mail a mail, and not a picture of one. "


def told(html: str, **meta: object) -> list[str]:
    _, found = compiled({"email": html, "meta": {"subject": "Hello", **meta}})
    assert all(problem.is_warning for problem in found)
    return [f"{problem.line}: {problem.message}" for problem in found]


@pytest.mark.parametrize(
    ("html", "message"),
    [
        ("<img src='https://x/a.png'>", "this picture has no `alt` text"),
        ("<a href='#'>More</a>", "this link leads nowhere"),
        ("<a>More</a>", "this link leads nowhere"),
        ("<a href='http://shop.example'>More</a>", "this link is not encrypted"),
        ("<a href='https://bit.ly/x'>More</a>", "filters distrust shortened links (`bit.ly`)"),
        ("<a href='https://192.0.2.1/x'>More</a>", "filters distrust links to bare IP addresses"),
        ("<a href='javascript:x()'>More</a>", "mail programs drop `javascript:` links"),
        ("<a href='https://shop.example'> </a>", "this link has no words"),
        ("<a href='https://evil.example'>www.bank.example</a>", "this link shows `www.bank.example` and goes to `evil.example`: filters take that for phishing"),
        ("<form><p>x</p></form>", "mail programs drop `<form>`"),
        ("<img alt='x' src='data:image/png;base64,AAAA'>", "mail programs block pictures in `data:`"),
    ],
)  # fmt: skip
def test_a_doubt_is_told_at_its_line(html: str, message: str) -> None:
    assert told(f"<p>{WORDS}</p>\n\n{html}") == [f"3: {message}"]


@pytest.mark.parametrize(
    "html",
    [
        "<img src='https://x/a.png' alt=''>",
        "<img src='https://x/o.gif' width=1 height=1>",
        "<a href='https://shop.example'><img src='https://x/a.png' alt='More'></a>",
        "<a href='{{ link('https://shop.example') }}'>shop.example</a>",
        "<a href='mailto:a@b.example'>Write to us</a>",
        "<a href='https://www.shop.example/x'>https://shop.example</a>",
        "<a name='top'></a>",
        "{% if profile.x %}<a href='https://shop.example'>{{ entry.t }}</a>{% endif %}",
    ],
)
def test_what_is_fine_is_not_told(html: str) -> None:
    assert told(f"<p>{WORDS}</p>{html}") == []


def test_a_mail_that_is_a_picture_says_nothing() -> None:
    assert told("<img alt='Sale' src='https://x/a.png'>") == [
        "1: this mail is a picture: without images there is nothing to read"
    ]


def test_a_mail_that_gmail_clips_is_told_by_its_compiled_size() -> None:
    assert told(f"<p>{'tea ' * 25_000}</p>") == []

    [line] = told(f"<p>{'tea ' * 27_000}</p>")
    assert line.startswith("1: the HTML has 105 KB; Gmail clips a mail at 102 KB")


@pytest.mark.parametrize(
    ("subject", "begins"),
    [
        ("x" * 71, "the subject has 71 characters"),
        ("FREE TEA NOW", "the subject shouts"),
        ("Tea!! For you!", "the subject looks like spam"),
    ],
)
def test_a_subject_that_hurts_is_told(subject: str, begins: str) -> None:
    [line] = told(f"<p>{WORDS}</p>", subject=subject)

    assert line.startswith(f"1: {begins}")


@pytest.mark.parametrize(
    "subject", ["x" * 70, "{{ 'a' * 90 }} is here", "Your cart, Ada", "NASA calls you!", "5 Tea"]
)
def test_a_subject_that_is_fine_is_not_told(subject: str) -> None:
    assert told(f"<p>{WORDS}</p>", subject=subject) == []


def test_mjml_is_judged_as_what_it_becomes() -> None:
    mjml = f"<mjml><mj-body><mj-section><mj-column><mj-text>{WORDS}</mj-text><mj-image src='https://x/a.png' /></mj-column></mj-section></mj-body></mjml>"
    _, found = compiled({"email.mjml": mjml, "meta": {"subject": "Hello"}})

    assert [problem.message for problem in found] == ["this picture has no `alt` text"]
