"""What a client sees of each fault of a request, as bytes; whom a rule strikes; what is no rule."""

from __future__ import annotations

import time
from http.client import IncompleteRead
from typing import Any

import pytest
import requests

from tests.sandbox.contract_requests import MAIL_BODY, MESSAGE, A, Client
from tests.sandbox.twin import FROM, PERSON, Receiver, Twin

ROUTES: dict[str, dict[str, Any]] = {
    f"POST {A}/Messages.json": {"form": MESSAGE},
    "POST /v3/mail/send": {"json": MAIL_BODY},
}


@pytest.fixture(params=sorted(ROUTES))
def route(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
def test_a_5xx_of_any_kind_before_or_after_accepting(
    twin: Twin, route: str, status: int, when: str, accepted: int
) -> None:
    twin.faults({"fault": f"503_{when}", "status": status, "count": 1})

    raw = requests.request(*_parts(twin, route), **_body(route), timeout=5)

    assert raw.status_code == status
    assert ("html" in raw.headers["Content-Type"]) is (status in {502, 504})
    assert len(twin.messages()) == accepted


def test_a_slow_answer_is_whole_in_the_end(twin: Twin, route: str) -> None:
    twin.faults({"fault": "drip_after", "seconds": 0.4, "count": 1})
    before = time.monotonic()

    answer = requests.request(*_parts(twin, route), **_body(route), timeout=5)

    assert time.monotonic() - before >= 0.35
    assert answer.status_code in {201, 202}
    assert len(twin.messages()) == 1


def test_a_slow_answer_is_overtaken_by_its_callbacks(twin: Twin, receiver: Receiver) -> None:
    twin.faults({"fault": "slow", "seconds": 0.5, "count": 1})

    message = twin.text(status_callback=f"{receiver.url}/cb?ref=r1")

    assert receiver.forms("MessageStatus")[-1] == "delivered"
    assert {hit.form["MessageSid"] for hit in receiver.hits} == {message.sid}


def test_a_truncated_answer_lacks_its_second_half(twin: Twin, route: str) -> None:
    twin.faults({"fault": "truncated_after", "count": 1})

    with pytest.raises((IncompleteRead, ConnectionResetError)):
        Client(twin).ask(route, **ROUTES[route])

    assert len(twin.messages()) == 1


@pytest.mark.parametrize(
    ("rule", "strikes"),
    [
        ({"from": FROM}, True),
        ({"from": "+1500*"}, True),
        ({"from": "+15005550009"}, False),
        ({"path": "*/Messages.json"}, True),
        ({"path": "*/Calls.json"}, False),
        ({"to": PERSON, "from": FROM, "channel": "sms"}, True),
        ({"to": PERSON, "from": "x"}, False),
        ({"probability": 0}, False),
        ({"count": 0}, False),
    ],
)
def test_a_rule_strikes_by_channel_recipient_sender_path_count_and_lot(
    twin: Twin, rule: dict[str, Any], strikes: bool
) -> None:
    twin.faults({"fault": "429", **rule})

    status, _ = Client(twin).ask(f"POST {A}/Messages.json", form=MESSAGE)

    assert status == (429 if strikes else 201)


@pytest.mark.parametrize(
    "rule", [{"fault": "503_after", "status": 418}, {"fault": "gremlin"}, {"fault": "429", "whom": "x"}]
)
def test_what_is_no_rule_is_refused_and_the_old_plan_stays(twin: Twin, rule: dict[str, Any]) -> None:
    twin.faults({"fault": "429"})

    refused = requests.post(f"{twin.url}/_sandbox/faults", json=[rule], timeout=5)

    assert refused.status_code == 400
    assert Client(twin).ask(f"POST {A}/Messages.json", form=MESSAGE)[0] == 429


def _parts(twin: Twin, route: str) -> tuple[str, str]:
    verb, _, path = route.partition(" ")
    return verb, twin.url + path


def _body(route: str) -> dict[str, Any]:
    headers = Client.headers(route)
    sent = ROUTES[route]
    return (
        {"headers": headers, "json": sent["json"]}
        if "json" in sent
        else {"headers": headers, "data": sent["form"]}
    )
