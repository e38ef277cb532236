"""What a `sync` step tells another system: Segment's calls, the audience behind the journey as a boolean trait, once per profile."""

from datetime import timedelta
from typing import Any

import pytest

from engage.destinations.registry import calls_of
from engage.destinations.segment_http import _meaning
from engage.domain.catalog import Catalog, LiveJourney
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import Identifier
from engage.domain.journey.journey import Journey
from engage.engine.deliver.calling import call_of
from engage.ports.channel import Busy, SyncContent
from tests.storage.contract.given import NOON, delivery, profile


def told(trigger: dict[str, Any], **said: Any) -> list[dict[str, Any]]:
    """Return the calls of a step in a journey with this trigger."""
    journey = Journey.model_validate({"journey": "to-crm", "trigger": trigger, "steps": [{"sync": "crm"}]})
    names = [Identifier("user_id", "u1"), Identifier("email", "a@b.c"), Identifier("anonymous_id", "x")]
    ada = profile("ada", traits={"plan": "pro"}, identifiers=names)
    sent = delivery(
        "ada",
        channel=Channel.SYNC,
        journey="to-crm",
        version=1,
        step="0",
        variables={"to": "crm", "with": said},
    )
    content = call_of(sent, ada, Catalog(journeys=[LiveJourney(journey, 1)])).content
    assert isinstance(content, SyncContent)
    return calls_of(content, sent.id, NOON)


@pytest.mark.parametrize(("trigger", "member"), [({"entered": "vip"}, True), ({"left": "vip"}, False)])
def test_who_entered_or_left_an_audience_is_told_with_a_boolean_trait(
    trigger: dict[str, Any], member: bool
) -> None:
    (identify,) = told({"audience": trigger})

    assert identify["type"] == "identify"
    assert identify["traits"] == {"plan": "pro", "vip": member}
    assert (identify["userId"], identify["anonymousId"]) == ("u1", "x")
    assert identify["context"]["personas"]["computation_class"] == "journey_step"
    assert identify["integrations"] == {"All": False, "crm": True}


def test_a_journey_without_an_audience_tells_the_traits_alone() -> None:
    identify, track = told({"event": "Go"}, event="Lead Found", stage="new")

    assert identify["traits"] == {"plan": "pro"}
    assert (track["event"], track["properties"]["stage"]) == ("Lead Found", "new")


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7),
        ("999999999", 3600),
        (None, None),
        ("9" * 18, None),
        ("9" * 5_000, None),
        ("²", None),
        ("-1", None),
    ],
)
def test_a_wait_is_kept_where_it_can_be(asked: str | None, seconds: int | None) -> None:
    answer = _meaning(429, asked)

    assert answer == Busy(code="429", retry_after=None if seconds is None else timedelta(seconds=seconds))
