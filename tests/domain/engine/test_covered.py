"""Sensitive values: a running journey can use them; nobody can read them afterwards."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engage.domain.profile.sensitive import MASK, Sensitive, without
from tests.domain.engine.house import START, House

SECRET = "830417"


def house() -> House:
    house = House(settings={"sensitive": ["Passcode Requested.passcode", "profile.password"]})
    steps: list[dict[str, Any]] = [
        {"branch": [{"if": "entry.passcode is present and profile.password != 'x'", "then": []}]},
        {"remember": {"copy": "code {{ entry.passcode }}"}},
        {"sms": {"text": "Your code is {{ entry.passcode }}"}},
        {"sms": {"text": "Again: {{ run.copy }}"}},
        {"wait": "1 hour"},
    ]
    house.publish({"journey": "j", "trigger": {"event": "Passcode Requested"}, "steps": steps})
    house.identify("ada", phone="+14155550101", password="hunter2")
    house.track("ada", "Passcode Requested", passcode=SECRET, device="phone")
    house.rest()
    return house


def test_a_running_journey_still_sends_it() -> None:
    told = [message.body for message in house().providers.messages()]

    assert told == [f"Your code is {SECRET}", f"Again: code {SECRET}"]


def test_it_is_kept_in_no_event_no_decision_and_no_delivery_that_left() -> None:
    look = house().store.look()

    kept = [row.doc for table in (look.events, look.decisions, look.deliveries) for row in table.all()]
    assert kept
    assert not [doc for doc in kept if SECRET.encode() in doc or b"hunter2" in doc]


def test_nothing_is_left_of_it_when_the_run_is_over() -> None:
    over = house()
    over.world.run_until(START + timedelta(hours=2))

    (run,) = over.runs("j")
    assert not run.active
    assert run.entry == {"passcode": MASK, "device": "phone"}
    assert SECRET not in str(run.variables)


def test_an_event_of_another_name_keeps_its_property() -> None:
    covered = Sensitive(["Passcode Requested.passcode"])

    assert covered.event("Passcode Used", {"passcode": "1"}) == {"passcode": "1"}
    assert covered.event("Passcode Requested", {"passcode": "1", "x": 2}) == {"passcode": MASK, "x": 2}


def test_without_names_nothing_is_looked_at() -> None:
    assert not Sensitive([])


@given(
    data=st.recursive(
        st.text("ab1", max_size=6) | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("ab", max_size=2), inner),
    ),
    texts=st.frozensets(st.text("ab1", min_size=1, max_size=3)),
)
def test_no_covered_text_is_left_anywhere(data: Any, texts: frozenset[str]) -> None:
    def leaves(data: Any) -> list[str]:
        if isinstance(data, dict):
            return [leaf for value in data.values() for leaf in leaves(value)]
        if isinstance(data, list):
            return [leaf for value in data for leaf in leaves(value)]
        return [data] if isinstance(data, str) else []

    for leaf in leaves(without(data, texts)):
        assert not [text for text in texts if text in leaf]
