"""Hand-offs through the real SDK: one task whatever happens, what agents do comes back, and what is pointless is withdrawn."""

import json
from typing import Any

import pytest

from engage.domain.delivery.delivery import Channel, Mark
from tests.sandbox.twin import PERSON, Twin
from tests.twin.shop import Shop, steps
from tests.twin.test_chat import click


def journey(target: str, **more: Any) -> dict[str, Any]:
    handoff = {"to": target, "workflow": "sales", "attributes": {"last-order": "{{ entry.order }}"}}
    wait = {
        "timeout": "2 hours",
        "branches": [
            {
                "step": "agent",
                "status": "completed",
                "then": [{"set": {"outcome": "{{ event.outcome }}"}}, {"exit": "helped"}],
            },
            {"step": "agent", "status": "canceled", "then": [{"exit": "nobody"}]},
        ],
    }
    return steps(
        {"handoff": handoff, "id": "agent"}, {"wait_for": wait}, exit_when=[{"event": "Solved"}], **more
    )


def ask(shop: Shop, target: str = "taskrouter") -> None:
    shop.publish(journey(target))
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go", order="o-1")
    shop.rest()


def tasks(twin: Twin) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = twin.get("records", kind="tasks")["records"].get("tasks", [])
    return found


def agent(twin: Twin, action: str) -> None:
    (task,) = tasks(twin)
    twin.post("inbound", {"channel": "agent", "from": task["sid"], "body": action})


@pytest.mark.parametrize("target", ["taskrouter", "flex"])
def test_an_agent_gets_the_task_and_what_comes_of_it_goes_on_in_the_run(
    shop: Shop, twin: Twin, target: str
) -> None:
    ask(shop, target)

    (task,) = tasks(twin)
    told = json.loads(task["attributes"])
    assert (told["last_order"], told["engage_ref"], told["phone"]) == (
        "o-1",
        shop.delivery().id,
        PERSON,
    )
    assert task["workflow_sid"] == "WW" + "b" * 32
    assert shop.delivery().status is Mark.ACCEPTED
    agent(twin, "accept")
    shop.rest()
    assert shop.delivery().status is Mark.ANSWERED
    agent(twin, "complete: sold")
    shop.rest()
    (run,) = shop.runs()
    assert (run.reason, shop.delivery().status) == ("helped", Mark.COMPLETED)
    (done,) = [event for event in shop.events() if event.name == "Handoff Completed"]
    assert (done.properties["step"], done.properties["outcome"]) == ("agent", "sold")


@pytest.mark.parametrize("target", ["taskrouter", "flex"])
def test_asking_twice_makes_one_task(shop: Shop, twin: Twin, target: str) -> None:
    ask(shop, target)
    delivery = shop.delivery()
    content = shop.rendered(delivery)

    again = shop.senders[Channel.HANDOFF].send(content)

    assert len(tasks(twin)) == 1
    assert getattr(again, "provider_id", None) == tasks(twin)[0]["sid"]


def test_a_run_that_ends_before_an_agent_accepts_withdraws_its_task(shop: Shop, twin: Twin) -> None:
    ask(shop)

    shop.track("ada", "Solved")
    shop.rest()

    (task,) = tasks(twin)
    assert (task["assignment_status"], task["reason"]) == ("canceled", "withdrawn")
    assert shop.deliveries()[0].status is Mark.CANCELED


def test_a_task_that_an_agent_has_stays_with_them(shop: Shop, twin: Twin) -> None:
    ask(shop)
    agent(twin, "accept")
    shop.rest()

    shop.track("ada", "Solved")
    shop.rest()

    (task,) = tasks(twin)
    assert task["assignment_status"] == "assigned"
    assert shop.delivery().status is Mark.ANSWERED


def test_a_task_nobody_takes_is_told_too(shop: Shop, twin: Twin) -> None:
    ask(shop)
    agent(twin, "cancel: no agents")
    shop.rest()

    (run,) = shop.runs()
    assert (run.reason, shop.delivery().status) == ("nobody", Mark.CANCELED)


@pytest.mark.parametrize("target", ["taskrouter", "flex"])
def test_agents_work_at_the_desk(shop: Shop, twin: Twin, target: str) -> None:
    ask(shop, target)
    (task,) = tasks(twin)
    page, _ = twin.page("/desk")
    assert "o-1" in page
    assert str(shop.delivery().id) not in page  # what only finds the task again is nothing for agents

    for what in ("accept", "complete: sold", "complete: twice"):
        click(twin, channel="agent", who=task["sid"], what=what)
        shop.rest()

    (run,) = shop.runs()
    assert (run.reason, shop.delivery().status) == ("helped", Mark.COMPLETED)
    assert [event.properties["outcome"] for event in shop.events() if event.name == "Handoff Completed"] == [
        "sold"
    ]
