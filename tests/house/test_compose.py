"""docker-compose.yml starts the processes of `engage up`, each queue where it belongs."""

from pathlib import Path
from typing import Any

import yaml

from engage.channels.registry import ChannelSettings
from engage.cli.supervise import STOP_SECONDS
from engage.domain.steps.calls import MAX_TIMEOUT

REPOSITORY = Path(__file__).resolve().parents[2]
QUEUES = {"engine", "email", "sms", "voice", "sync", "urgent"}


def services() -> dict[str, dict[str, Any]]:
    read: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(
        (REPOSITORY / "docker-compose.yml").read_text()
    )
    return read["services"]


def queues_by_worker() -> dict[str, set[str]]:
    commands = {name: service["command"] for name, service in services().items()}
    return {name: set(words[2].split(",")) for name, words in commands.items() if words[0] == "worker"}


def test_every_queue_has_one_kind_of_worker() -> None:
    listed = [queue for queues in queues_by_worker().values() for queue in queues]

    assert sorted(listed) == sorted(QUEUES)


def test_urgent_work_shares_its_process_with_nothing() -> None:
    assert {"urgent"} in queues_by_worker().values()


def test_each_process_stands_once() -> None:
    ours = [service["command"][0] for service in services().values() if service.get("image") == "engage"]

    assert sorted(set(ours)) == ["api", "beat", "migrate", "sandbox", "worker"]
    assert [command for command in ours if command != "worker"] == ["migrate", "api", "beat", "sandbox"]


def test_the_sandbox_starts_only_with_the_demo() -> None:
    assert services()["sandbox"]["profiles"] == ["demo"]
    assert [name for name, service in services().items() if "profiles" in service] == ["sandbox"]


def test_containers_gain_nothing_and_ours_write_nothing() -> None:
    ours = {name: service for name, service in services().items() if service["image"] == "engage"}

    assert all(service["security_opt"] == ["no-new-privileges:true"] for service in services().values())
    assert all(service["read_only"] and service["cap_drop"] == ["ALL"] for service in ours.values())
    assert not any("volumes" in service for service in ours.values())


def test_nobody_but_the_api_and_the_demo_is_reached_from_outside() -> None:
    assert sorted(name for name, service in services().items() if "ports" in service) == ["api", "sandbox"]


def test_the_container_runs_as_no_root() -> None:
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()

    assert [line for line in lines if line.startswith("USER ")] == ["USER engage"]


def test_who_stops_a_process_waits_longer_than_its_longest_call_takes() -> None:
    """A provider is connected to, then again where a kept connection has died; then the answer may take its time."""
    channel = ChannelSettings(public_url="https://shop.example")
    longest = max(MAX_TIMEOUT, 2 * channel.connect_timeout + channel.read_timeout).total_seconds()
    ours = [service for service in services().values() if service["image"] == "engage"]

    assert longest + 5 <= STOP_SECONDS
    assert all(float(service["stop_grace_period"].removesuffix("s")) > STOP_SECONDS for service in ours)
