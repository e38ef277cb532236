"""Providers' webhooks: verified on the raw request, durable before the 2xx, and otherwise nothing at all."""

from typing import Any

import pytest

from engage.domain.delivery.delivery import Mark
from engage.domain.fact import Inbound, Receipt
from engage.domain.ids import DeliveryId
from engage.ports.channel import Heard
from engage.ports.storage import StorageAwayError
from engage.storage.memory.store import MemoryStore
from tests.api.world import NOW, SERVER, Client, CrowdedBatcher, World, basic, calling

GOOD = {"x-signature": "good"}
DELIVERED = Receipt(
    delivery=DeliveryId("019ca945-0a00-71df-b438-2f9007a7c4a0"),
    mark=Mark.DELIVERED,
    at=NOW,
    receipt_id="r1",
    provider="acme",
)


def test_a_good_webhook_is_stored_before_its_2xx(client: Client, world: World) -> None:
    world.status.heard = Heard(receipts=[(1, DELIVERED)])

    answer = client.post("/webhooks/acme/status", content=b"a=1", headers=GOOD)

    assert answer.status_code == 204
    assert world.facts() == [DELIVERED]


def test_a_bad_signature_is_403_and_nothing_is_stored(client: Client, world: World) -> None:
    world.status.heard = Heard(receipts=[(1, DELIVERED)], quarantined=[("odd", b"x")])

    answer = client.post("/webhooks/acme/status", content=b"a=1", headers={"x-signature": "forged"})

    assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")
    assert (world.facts(), world.quarantined()) == ([], [])


def test_a_webhook_is_stored_while_events_are_told_to_come_back() -> None:
    crowded = World(batcher=CrowdedBatcher)
    crowded.status.heard = Heard(receipts=[(1, DELIVERED)])

    with calling(crowded) as client:
        event = client.post("/v1/track", json={"userId": "a", "event": "E"}, headers=basic(SERVER))
        told = client.post("/webhooks/acme/status", content=b"a=1", headers=GOOD)

    assert (event.status_code, told.status_code) == (429, 204)
    assert crowded.facts() == [DELIVERED]


def test_the_signature_is_checked_on_the_request_as_it_came(client: Client, world: World) -> None:
    body = b"Body=%F0%9F%98%80&Empty=&x=\r\n"

    client.post(
        "/webhooks/acme/status?ref=a%2Fb&lane=&x=1+2", content=body, headers={**GOOD, "X-Other": "é".encode()}
    )

    (seen,) = world.status.seen
    assert seen.url == "https://shop.example/webhooks/acme/status?ref=a%2Fb&lane=&x=1+2"
    assert seen.query == {"ref": "a/b", "lane": "", "x": "1 2"}
    assert (seen.method, seen.body, seen.received_at) == ("POST", body, NOW)
    assert seen.headers["x-signature"] == "good"


def test_zipped_bytes_are_not_unzipped_because_the_signature_covers_them(
    client: Client, world: World
) -> None:
    client.post("/webhooks/acme/status", content=b"\x1f\x8bx", headers={**GOOD, "content-encoding": "gzip"})

    assert world.status.seen[0].body == b"\x1f\x8bx"


def test_the_providers_document_is_the_answer(client: Client, world: World) -> None:
    world.inbound.heard = Heard(
        inbound=[
            Inbound(
                message_id="m",
                channel="sms",
                sender="+14155550101",
                to="+1",
                body="STOP",
                at=NOW,
                keyword="stop",
            )
        ],
        twiml="<Response/>",
    )

    answer = client.post("/webhooks/acme/inbound", content=b"", headers=GOOD)

    assert (answer.status_code, answer.text) == (200, "<Response/>")
    assert answer.headers["content-type"].startswith("text/xml")
    assert world.consents("sms", "+14155550101").by_address


def test_only_post_and_only_what_we_know(client: Client) -> None:
    assert client.get("/webhooks/acme/status", headers=GOOD).status_code == 405
    assert client.post("/webhooks/acme/other", headers=GOOD).status_code == 404
    assert client.post("/webhooks/acme/status/", headers=GOOD).status_code == 204


@pytest.mark.parametrize(
    ("path", "size", "status"), [("status", 4, 204), ("status", 5, 413), ("inbound", 5, 204)]
)
def test_bodies_are_bounded(client: Client, path: str, size: int, status: int) -> None:
    body = b"x" * (size * 1024 * 1024)

    assert client.post(f"/webhooks/acme/{path}", content=body, headers=GOOD).status_code == status


class GoneStore(MemoryStore):
    """A database that is away."""

    def transaction(self) -> Any:
        raise StorageAwayError("gone")


def test_while_the_database_is_away_the_provider_is_told_to_come_again() -> None:
    world = World(store=GoneStore())
    world.status.heard = Heard(receipts=[(1, DELIVERED)])
    with calling(world) as client:
        assert client.post("/webhooks/acme/status", content=b"", headers=GOOD).status_code == 503
