"""A no in a mail: heard where it is all that somebody says, in the languages that shops write in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.consent.written_no import NOES, first_line, folded, is_no


@pytest.mark.parametrize(
    "body",
    [
        "unsubscribe",
        "UNSUBSCRIBE.",
        "  Stop!  ",
        "\n\nPlease unsubscribe me\n\nSent from my phone",
        "Opt-out",
        "STOP\n\n> On Monday Shop wrote:\n> Reply STOP to opt out",
        "> quoted above\n>> and before\nRemove me",
        "Abmelden",
        "Bitte austragen!",
        "Désabonner",
        "me désinscrire",
        "DÉSABONNEZ-MOI",
        "Baja",
        "Darme de baja, ",
        "Cancelar suscripción",
        "Uitschrijven",
        "Disiscrivimi",
        "Cancelar inscrição",
        "配信停止",
    ],
)
def test_a_first_line_that_is_nothing_but_a_no_is_one(body: str) -> None:
    assert is_no("Re: Your cart", body)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "Please stop by on Monday",
        "How do I unsubscribe from the course?",
        "No",
        "Cancel",
        "The end",
        "> unsubscribe",
        "Thanks!\nunsubscribe",
        "nonstop",
    ],
)
def test_a_reply_with_such_a_word_in_it_is_a_reply(body: str) -> None:
    assert not is_no("Re: Your cart", body)


@pytest.mark.parametrize("subject", ["unsubscribe", "Unsubscribe ", "désinscription", "STOP"])
def test_a_subject_that_is_one_is_a_no_whatever_the_body_says(subject: str) -> None:
    assert is_no(subject, "")
    assert is_no(subject, "This message was sent by your mail program.")


@pytest.mark.parametrize("subject", [None, "", "Re: unsubscribe", "How to unsubscribe"])
def test_other_subjects_are_none(subject: str | None) -> None:
    assert not is_no(subject, "Hello")


@given(st.sampled_from(sorted(NOES)), st.text(alphabet=" .!\t,-*", max_size=5), st.booleans())
def test_neither_case_nor_points_around_it_change_a_no(word: str, around: str, shouted: bool) -> None:
    text = around + (word.upper() if shouted else word) + around
    assert is_no(None, text)
    assert folded(folded(text)) == folded(text)


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    is_no(text, text)
    assert first_line(text) == "" or first_line(text) in text
