"""What leaves by hand: one template to one person, and recorded events to another system; never a message twice."""

import base64
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from engage.domain.delivery.delivery import Channel
from engage.settings import SettingsError
from tests.cli.conftest import Author, take, work
from tests.serving import Quiet, answering

pytestmark = pytest.mark.live


@dataclass
class Crm:
    """Another system: what it was told, and what it answers."""

    address: str = ""
    answers: list[int] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Every call it was told, in order."""
        return [call for _, _, body in self.requests for call in json.loads(body)["batch"]]


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crm]:
    system = Crm()

    class Handler(Quiet, BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            system.requests.append((self.path, dict(self.headers.items()), body))
            self.send_response(system.answers.pop(0) if system.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = _answer  # noqa: N815 -- the name that http.server calls

    with answering(Handler) as system.address:
        monkeypatch.setenv("ENGAGE_DESTINATION_MY_CRM", f"{system.address}/hook?team=1")
        yield system


DAY = timedelta(days=1)


def span() -> tuple[str, ...]:
    now = datetime.now(UTC)
    return ("--from", (now - DAY).isoformat(), "--until", (now + DAY).isoformat())


class TestSend:
    def test_one_template_reaches_one_person_outside_every_journey(self, shop: Author) -> None:
        shop.json("publish")
        shop.identify("ada", email="ada@home.example", phone="+12125550101", first_name="Ada")

        told = shop.json("send", "welcome", "--to", "ada", "--topic", "account")
        with shop.runtime() as runtime:
            work(runtime)

        (delivery,) = shop.json("profile", "show", "ada")["deliveries"]
        assert delivery["delivery_id"] == told["delivery_id"]
        assert (delivery["status"], delivery["template"], delivery["journey"]) == (
            "accepted",
            "welcome",
            None,
        )
        assert "sent" in shop.run("why", "ada", "--message", told["delivery_id"])

    def test_an_address_nobody_is_known_by_will_do(self, shop: Author) -> None:
        shop.json("publish")
        shop.json("send", "welcome", "--to", "new@home.example", "--topic", "account")

        with shop.runtime() as runtime:
            work(runtime)
            found = runtime.reading.recent_deliveries().items
        assert [seen.delivery.address for seen in found] == ["new@home.example"]

    def test_what_cannot_be_sent_is_said_with_what_to_write(self, shop: Author) -> None:
        shop.write("templates/code/sms.txt", "Your code is {{ with.code }}.\n")
        shop.json("publish")
        shop.identify("ada", email="ada@home.example", phone="+12125550101")

        for arguments, said in [
            (["welcom", "--to", "ada"], "did you mean `welcome`?"),
            (["welcome", "--to", "ada"], "`--topic` is one of "),
            (["welcome", "--to", "ada", "--channel", "sms"], "use --channel email"),
            (["code", "--to", "ada"], "`code` needs --with code=…"),
            (["code", "--to", "ada", "--with", "code"], "write `--with name=value`"),
            (
                ["code", "--to", "ada", "--with", "code=1", "--topic", "account", "--expires", "soon"],
                "--expires",
            ),
        ]:
            assert said in shop.run("send", *arguments, code=2)
        assert "nobody is known as `bob`" in shop.run(
            "send", "welcome", "--to", "bob", "--topic", "account", code=1
        )


class TestReplay:
    def test_recorded_events_go_out_again_as_they_came_signed_and_in_order(
        self, shop: Author, crm: Crm
    ) -> None:
        shop.json("publish")
        shop.happen(
            {"type": "identify", "userId": "ada", "traits": {"email": "ada@home.example"}},
            {
                "type": "track",
                "userId": "ada",
                "event": "Seen",
                "properties": {"sku": "a", "n": 1.10},
                "messageId": "m-1",
            },
            {"type": "page", "userId": "ada", "name": "Pricing", "properties": {"x": 1}, "messageId": "m-2"},
        )

        told = shop.json("replay", *span(), "--to", "my-crm")

        assert told["destinations"] == {"my-crm": {"taken": 2, "refused": 0, "code": None}}
        assert [
            (call["messageId"], call["type"], call.get("event"), call.get("name")) for call in crm.calls
        ] == [
            ("m-1", "track", "Seen", None),
            ("m-2", "page", None, "Pricing"),
        ]
        first = crm.calls[0]
        assert first["userId"] == "ada"
        assert first["properties"] == {"sku": "a", "n": 1.10}
        assert first["integrations"] == {"All": False, "my-crm": True}
        assert first["context"]["externalIds"][0]["id"] == "ada@home.example"
        (path, headers, body) = crm.requests[0]
        moment, _, signed = headers["Engage-Signature"].removeprefix("t=").partition(",v1=")
        assert path == "/hook?team=1"
        assert signed == hmac.new(b"for-tests", f"{moment}.".encode() + body, sha256).hexdigest()

    def test_it_sends_no_message_and_makes_no_fact(self, shop: Author, crm: Crm) -> None:
        shop.json("publish")
        shop.identify("ada", email="ada@home.example")
        shop.track("ada", "Signed Up")
        before = shop.json("profile", "show", "ada")

        shop.json("replay", *span())
        with shop.runtime() as runtime:
            work(runtime)

        assert shop.json("profile", "show", "ada") == before
        personas = [call["context"]["personas"] for call in crm.calls if "personas" in call["context"]]
        assert {one["computation_class"] for one in personas} == {"journey_step"}

    def test_what_speaks_segments_api_gets_a_batch_under_its_write_key(
        self, shop: Author, crm: Crm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = crm.address.replace("http://", "http://wk%2B1@")
        monkeypatch.setenv("ENGAGE_DESTINATION_MY_CRM", address)
        shop.track("ada", "Seen")

        shop.json("replay", *span())

        (path, headers, _) = crm.requests[0]
        assert path == "/v1/batch"
        assert headers["Authorization"] == "Basic " + base64.b64encode(b"wk+1:").decode()
        assert "Engage-Signature" not in headers

    def test_what_is_refused_for_good_is_counted_and_exits_1(self, shop: Author, crm: Crm) -> None:
        crm.answers = [400]
        shop.track("ada", "Seen")

        assert shop.json("replay", *span(), code=1)["destinations"]["my-crm"] == {
            "taken": 0,
            "refused": 1,
            "code": "400",
        }

    def test_a_system_that_is_busy_is_asked_again_with_the_same_key(self, shop: Author, crm: Crm) -> None:
        crm.answers = [503]
        shop.track("ada", "Seen")

        assert shop.json("replay", *span())["destinations"]["my-crm"]["taken"] == 1
        assert len({headers["Idempotency-Key"] for _, headers, _ in crm.requests}) == 1
        assert len(crm.requests) == 2

    def test_a_destination_that_is_not_set_is_named_with_its_variable(
        self, shop: Author, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "set ENGAGE_DESTINATION_MY_CRM to its address" in shop.run(
            "replay", *span(), "--to", "my-crm", code=2
        )
        assert "ENGAGE_DESTINATION_CRM=https://" in shop.run("replay", *span(), code=2)
        monkeypatch.setenv("ENGAGE_DESTINATION_MY_CRM", "crm.example")
        with pytest.raises(SettingsError, match=r"needs an http\(s\) URL"):
            shop.run("replay", *span())


SYNC = """\
journey: to-crm
topic: account
trigger: {event: Signed Up}
entry: {reentry: never}
steps:
  - sync: {to: my-crm, with: {event: Lead Found, plan: "{{ entry.plan }}"}}
    id: told
"""


class TestSync:
    def test_a_step_pushes_the_profile_and_an_event_in_segments_shapes(self, shop: Author, crm: Crm) -> None:
        shop.write("journeys/to-crm.yaml", SYNC)
        shop.json("publish")
        shop.identify("ada", email="ada@home.example", plan="free")
        with shop.runtime() as runtime:
            real = {Channel.SYNC: runtime.senders[Channel.SYNC]}
            take(
                runtime,
                {"type": "track", "userId": "ada", "event": "Signed Up", "properties": {"plan": "pro"}},
            )
            work(runtime, real)

        identify, track = crm.calls
        assert (identify["type"], identify["userId"], identify["traits"]["plan"]) == (
            "identify",
            "ada",
            "free",
        )
        assert (track["type"], track["event"], track["properties"]["plan"]) == ("track", "Lead Found", "pro")
        assert identify["context"]["personas"]["computation_key"] == "to-crm__told"
        statuses = [
            (one["channel"], one["status"]) for one in shop.json("profile", "show", "ada")["deliveries"]
        ]
        assert ("sync", "accepted") in statuses

    def test_a_destination_that_is_not_set_fails_with_its_variable_in_the_doctor(self, shop: Author) -> None:
        shop.write("journeys/to-crm.yaml", SYNC)
        shop.json("publish")

        assert "ENGAGE_DESTINATION_MY_CRM" in shop.run("doctor", code=1)
