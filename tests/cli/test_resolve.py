"""A delivery nobody knows the outcome of is resolved by an operator: what they say is a fact, once, on the trail."""

import pytest

from engage.domain.delivery.delivery import Channel
from engage.project.scenario.values import Answer, AnswerKind
from engage.testing.scripted import ScriptedProviders
from tests.cli.conftest import Author, take, work

pytestmark = pytest.mark.live


def unheard(shop: Author, *people: str) -> list[str]:
    """Let mail to these people leave without an answer; return its ids in the order of the people."""
    shop.json("publish")
    for person in people:
        shop.identify(person, email=f"{person}@home.example")
    with shop.runtime() as runtime:
        providers = ScriptedProviders(runtime.clock)
        providers.script(Channel.EMAIL, [Answer(kind=AnswerKind.TIMEOUT_LOST)] * len(people))
        for person in people:
            take(runtime, {"type": "track", "userId": person, "event": "Signed Up"})
        work(runtime, {Channel.EMAIL: providers.senders[Channel.EMAIL]})
    return [status(shop, person)[0] for person in people]


def status(shop: Author, person: str) -> tuple[str, str, str | None]:
    (delivery,) = shop.json("profile", "show", person)["deliveries"]
    return delivery["delivery_id"], delivery["status"], delivery["reason"]


def test_taken_counts_as_sent_failed_is_given_up_and_not_taken_is_sent_again(shop: Author) -> None:
    ada, bob, cyd = unheard(shop, "ada", "bob", "cyd")
    assert {one["delivery_id"] for one in shop.json("unknown", "list")} == {ada, bob, cyd}

    shop.json("unknown", "resolve", ada, "--as", "taken")
    assert "is given up" in shop.run("unknown", "resolve", bob, "--as", "failed")
    shop.json("unknown", "resolve", cyd, "--as", "not-taken")
    with shop.runtime() as runtime:
        work(runtime)
        trail = [(entry.action, entry.subject, entry.data["as"]) for entry in runtime.operate.trail()[:3]]

    assert status(shop, "ada") == (ada, "accepted", None)
    assert status(shop, "bob") == (bob, "failed", "unknown_outcome")
    assert status(shop, "cyd")[1] in ("held", "accepted")  # called again a second later
    assert trail == [("resolve", cyd, "not-taken"), ("resolve", bob, "failed"), ("resolve", ada, "taken")]


def test_what_is_said_second_is_not_heard(shop: Author) -> None:
    (ada,) = unheard(shop, "ada")
    shop.json("unknown", "resolve", ada, "--as", "failed")
    shop.json("unknown", "resolve", ada, "--as", "not-taken")
    with shop.runtime() as runtime:
        work(runtime)

    assert status(shop, "ada")[1:] == ("failed", "unknown_outcome")
    assert "the outcome of" in shop.run("unknown", "resolve", ada, "--as", "taken", code=1)


def test_only_what_is_unknown_can_be_resolved(shop: Author) -> None:
    nobody = "0198c7a0-0000-7000-8000-000000000000"

    assert "there is no delivery" in shop.run("unknown", "resolve", nobody, "--as", "taken", code=1)
    assert "is no delivery" in shop.run("unknown", "resolve", "x", "--as", "taken", code=2)
