"""When a journey begins is said in words, in pictures, plans and the console."""

import pytest

from engage.domain.journey.journey import Journey
from engage.project.load import load_source
from engage.project.words.steps import trigger_words


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ('cron: "30 7 * * tue", zone: person', "Every tue, 07:30 · for vip · on everybody's own clock"),
        ('cron: "0 9 * * mon-fri", zone: Europe/Berlin', "Every mon–fri, 09:00 · for vip · in Europe/Berlin"),
        ('cron: "0 9,18 * * *"', "Every day, 09:00 and 18:00 · for vip"),
        ('cron: "5 0 1,15 * *"', "On day 1, 15 of every month, 00:05 · for vip"),
        ('cron: "0 9 1-7 * tue"', "Cron 0 9 1-7 * tue · for vip"),
        ('cron: "*/5 * * * *"', "Cron */5 * * * * · for vip"),
        ('cron: "0 9 1 1 *"', "Cron 0 9 1 1 * · for vip"),
        (
            'at: "2026-11-27 09:00", zone: person',
            "Once at 2026-11-27 09:00 · for vip · on everybody's own clock",
        ),
    ],
)
def test_a_clock_is_told_as_people_say_it(schedule: str, words: str) -> None:
    text = f"journey: j\ntrigger: {{schedule: {{{schedule}, audience: vip}}}}\nsteps: [{{wait: 1 day}}]\n"
    form, _ = load_source("journey", "j", text)

    assert isinstance(form, Journey)
    assert trigger_words(form.trigger).line == words


def test_a_signal_says_how_many_and_who_first() -> None:
    text = "journey: j\ntrigger: {signal: Stock, people: profile.waits, at_most: 2, order: profile.since}\nsteps: [{wait: 1 day}]\n"
    form, _ = load_source("journey", "j", text)

    assert isinstance(form, Journey)
    assert trigger_words(form.trigger).details[-2:] == ("in the order of profile.since", "at most 2 people")
