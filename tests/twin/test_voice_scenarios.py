"""The ten calls of `tests/scenarios/voice.yaml`, made through the real SDK: what the twin reports comes to the same."""

from collections import Counter
from pathlib import Path

import pytest

from engage.project.scenario import Expect, Expected, Identify, Track
from engage.testing.collect import Found, scenarios_in
from engage.testing.definitions import definitions_of
from engage.testing.rendering import Renderers
from tests.sandbox.twin import Twin
from tests.twin.shop import Shop, open_shop

FILE = Path(__file__).parents[1] / "scenarios" / "voice.yaml"
FOUND = list(scenarios_in([FILE]))
RENDERERS = Renderers()


def test_there_are_ten() -> None:
    assert len(FOUND) == 10


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found.name)
def test_the_twin_tells_what_the_scenario_says(twin: Twin, found: Found) -> None:
    scenario = found.scenario
    assert scenario is not None
    definitions = definitions_of(scenario, None)

    with open_shop(twin, start=scenario.start) as shop:
        shop.use(RENDERERS.of(definitions.templates))
        for source in definitions.sources.values():
            shop.keep(source, definitions.forms[source.kind, source.name])
        for item in scenario.timeline:
            match item:
                case Identify():
                    shop.identify(item.person, **item.traits)
                case Track():
                    shop.track(item.person, item.event, **item.properties)
                case Expect():
                    shop.play_until(item.at)
                    _holds(shop, item.expected)
                case _:
                    pass  # receipts come from the twin here
        assert shop.refused == []


def _holds(shop: Shop, expected: Expected) -> None:
    ended = Counter(run.reason for run in shop.runs())
    assert ended == Counter(expected.runs["confirm"].ended)
    statuses = [str(delivery.status) for delivery in shop.deliveries() if delivery.step == "call"]
    for status in expected.status:
        assert statuses[(status.of.n or len(statuses)) - 1] == str(status.is_)
    counts = shop.counts()
    assert {name: counts[name] for name in expected.events["ada"]} == expected.events["ada"]
    for channel, topics in expected.subscribed.get("ada", {}).items():
        assert {topic: shop.subscribed(channel, topic) for topic in topics} == topics
    if expected.sent is not None:
        sent = Counter(str(delivery.channel) for delivery in shop.deliveries() if delivery.accepted_at)
        assert sent == Counter(expected.sent.channel)
    if expected.messages:
        (call,) = shop.twin.messages(channel="voice")
        for line in (expected.messages[0].body or "").splitlines()[:2]:
            assert line in call["body"]
