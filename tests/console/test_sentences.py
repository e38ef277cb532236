"""A line of a person's history is for people: times on the clock that the page names."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from engage.console.sentences import decision_note, decision_sentence
from engage.domain.decision import Decided, Decision
from engage.domain.ids import ProfileId
from engage.domain.journey.journey import Journey

WAITS = Decision(
    profile=ProfileId("ada"),
    at=datetime(2026, 11, 27, 3, 38, tzinfo=UTC),
    kind=Decided.STEP,
    outcome="waits",
    journey="fitting",
    step="2",
    values={"until": "2026-11-28T17:00:00.700450+00:00", "zone": "America/Chicago"},
)


def test_a_wait_says_until_when_on_the_clock_of_the_page() -> None:
    assert (
        decision_sentence(WAITS, ZoneInfo("America/Chicago"))
        == "fitting, 2: waits until 28 Nov 2026, 11:00:00"
    )
    assert decision_note(WAITS) == "zone = America/Chicago"


def test_a_step_is_named_by_its_words_and_not_by_its_position() -> None:
    form = Journey.model_validate(
        {
            "journey": "fitting",
            "trigger": {"event": "Booked"},
            "steps": [{"wait": "1 hour"}, {"wait": "2 days"}, {"wait": "1 day"}],
        }
    )
    node = form.program.by_id["2"]

    told = decision_sentence(WAITS, ZoneInfo("America/Chicago"), node)

    assert told == "fitting: Wait 1 day: until 28 Nov 2026, 11:00:00"
