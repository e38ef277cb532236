"""Rooms through the real SDK: a link in a message opens the room and lets one person in, and the run hears who came."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VideoGrant

from engage.domain.delivery.delivery import Mark
from tests.api.world import Client
from tests.sandbox.twin import PERSON, Twin
from tests.twin.face import facing
from tests.twin.shop import Shop, open_shop, steps

KEY, SECRET = "SK" + "d" * 32, "a secret of thirty-two characters"
PAGE = "https://shop.example/meet"
VIDEO: dict[str, Any] = {"api_key": KEY, "api_secret": SECRET, "video_url": PAGE}
BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "accept": "text/html"}
WAIT = {
    "timeout": "1 hour",
    "branches": [{"step": "invite", "status": "completed", "then": [{"exit": "talked"}]}],
    "on_timeout": [{"exit": "nobody came"}],
}


@pytest.fixture
def shop(twin: Twin) -> Iterator[Shop]:
    twin.configure(api_keys={KEY: SECRET})
    with open_shop(twin, **VIDEO) as shop:
        yield shop


@pytest.fixture
def client(shop: Shop) -> Iterator[Client]:
    with facing(shop, **VIDEO) as client:
        yield client


def invite(shop: Shop, twin: Twin) -> str:
    """Return the path of the link that Ada got."""
    shop.templates({"visit": {"sms": "Meet us: {{ link('video:visit-' ~ entry.visit) }}"}})
    shop.publish(
        steps(
            {"sms": "visit", "id": "invite"},
            {"wait_for": {"step": "invite", "status": "answered", "timeout": "1 hour"}},
            {"wait_for": WAIT},
        )
    )
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go", visit="7")
    shop.rest()
    (found,) = re.findall(r"http://[^/]+(/l/\w{11})", twin.message()["body"])
    return str(found)


def opened(client: Client, path: str) -> tuple[str, str]:
    """Follow the link; return the room and the token of the page."""
    answer = client.get(path, headers=BROWSER)
    assert answer.status_code == 302
    there = urlsplit(answer.headers["location"])
    assert f"{there.scheme}://{there.netloc}{there.path}" == PAGE
    assert there.query == ""
    told = parse_qs(there.fragment)
    return told["room"][0], told["token"][0]


def rooms(twin: Twin) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = twin.get("records", kind="rooms")["records"].get("rooms", [])
    return found


def person(twin: Twin, token: str, verb: str) -> None:
    twin.post("inbound", {"channel": "video", "from": token, "body": verb})


def test_coming_and_leaving_come_back_to_the_run(shop: Shop, twin: Twin, client: Client) -> None:
    room, token = opened(client, invite(shop, twin))
    assert room == "visit-7"

    person(twin, token, "join")
    shop.rest()
    assert Mark.ANSWERED in shop.delivery().marks
    person(twin, token, "leave")
    shop.rest()

    (run,) = shop.runs()
    assert run.reason == "talked"
    assert Mark.CLICKED in shop.delivery().marks
    assert shop.refused == []


def test_the_link_may_be_opened_again_and_the_room_is_one(shop: Shop, twin: Twin, client: Client) -> None:
    path = invite(shop, twin)
    first, second = opened(client, path), opened(client, path)

    assert first[0] == second[0]
    (room,) = rooms(twin)
    assert room["unique_name"] == "visit-7"


def test_a_preview_neither_opens_the_room_nor_gets_a_token(shop: Shop, twin: Twin, client: Client) -> None:
    path = invite(shop, twin)
    answer = client.get(path, headers={"user-agent": "WhatsApp/2.23"})

    assert "token" not in answer.headers["location"]
    assert rooms(twin) == []


def test_without_video_set_up_the_link_leads_nowhere(shop: Shop, twin: Twin) -> None:
    path = invite(shop, twin)
    with facing(shop) as bare:
        assert bare.get(path, headers=BROWSER).status_code == 404


def test_while_the_provider_is_away_the_link_says_so(shop: Shop, twin: Twin) -> None:
    path = invite(shop, twin)
    with facing(shop, **{**VIDEO, "api_secret": "another"}) as client:
        assert client.get(path, headers=BROWSER).status_code == 503


@pytest.mark.parametrize("name", ["", "a room", "../x", "x" * 101, "é"])
def test_a_room_has_a_plain_name(shop: Shop, name: str) -> None:
    shop.templates({"visit": {"sms": "{{ link('video:' ~ entry.room) }}"}})
    shop.publish(steps({"sms": "visit"}))
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go", room=name)
    shop.rest()

    assert str(shop.delivery().reason) == "render_failed"


def test_who_is_no_person_of_ours_is_no_news(shop: Shop, twin: Twin, client: Client) -> None:
    _, token = opened(client, invite(shop, twin))

    agent = AccessToken("AC" + "1" * 32, KEY, SECRET, identity="dr-grey")
    agent.add_grant(VideoGrant(room="visit-7"))
    person(twin, agent.to_jwt(), "join")
    twin.post("inbound", {"channel": "video", "from": "visit-7", "body": "end"})
    shop.rest()

    assert Mark.ANSWERED not in shop.delivery().marks
    assert shop.quarantined() == []
    assert token
