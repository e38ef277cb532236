"""`/metrics`: what an operator's alarms read."""

import math
from datetime import datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engage.ports.storage import StorageAwayError
from tests.api.world import SERVER, Client, CrowdedBatcher, World, basic, bearer, calling

Sample = tuple[str, tuple[tuple[str, str], ...]]


def numbers(client: Client) -> dict[Sample, float]:
    """Return every sample, read as Prometheus reads it."""
    answer = client.get("/metrics", headers=bearer())
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def send(client: Client, *events: object) -> None:
    batch = [{"type": "track", "userId": "ada", "event": event} for event in events]
    assert client.post("/v1/batch", json={"batch": batch}, headers=basic(SERVER)).status_code == 200


@pytest.mark.live
def test_what_waits_and_what_came_in_is_told(postgres_world: World) -> None:
    with calling(postgres_world) as client:
        before = numbers(client)
        send(client, "Go", "Stop")
        send(client, 7)
        after = numbers(client)

    def more(name: str, *labels: tuple[str, str]) -> float:
        return after[name, labels] - before.get((name, labels), 0)

    assert after["engage_database_up", ()] == 1
    assert (more("engage_inbox"), more("engage_quarantine")) == (2, 1)
    assert more("engage_quarantine_reasons", ("reason", "no_event")) == 1
    assert (more("engage_intake_facts_total"), more("engage_intake_commits_total")) == (3, 2)
    assert after["engage_journey_paused", (("journey", "by-api"),)] == 0
    assert after["process_resident_memory_bytes", ()] > 1_000_000


def test_while_the_database_is_away_that_is_what_is_told(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_now: datetime) -> dict[str, float]:
        raise StorageAwayError("gone")

    monkeypatch.setattr(world.deps.reading, "queues", silent)

    told = numbers(client)

    assert told["engage_database_up", ()] == 0
    assert ("engage_inbox", ()) not in told
    assert ("engage_intake_waiting_facts", ()) in told


def test_a_refusal_for_overload_is_counted() -> None:
    crowded = World(batcher=CrowdedBatcher)
    with calling(crowded) as client:
        answer = client.post("/v1/track", json={"userId": "a", "event": "E"}, headers=basic(SERVER))
        assert answer.status_code == 429
        assert numbers(client)["engage_intake_overloaded_total", ()] == 1


def test_whether_events_are_held_back_is_told(world: World, client: Client) -> None:
    assert numbers(client)["engage_intake_events_per_second_limit", ()] == math.inf

    world.deps.batcher._brake.rate = 750.0

    assert numbers(client)["engage_intake_events_per_second_limit", ()] == 750
