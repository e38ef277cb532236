"""The channel contract: what the engine may rely on, of every provider in the registry, on every channel it serves."""

import logging
from collections.abc import Iterator

import pytest

from engage.channels.connections import ConnectionPool
from engage.channels.registry import PROVIDERS, ChannelSettings, build_webhooks
from engage.domain.delivery.delivery import CALLS, Channel, FailReason
from engage.ports.channel import (
    Accepted,
    Busy,
    CannotSay,
    HandoffContent,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    Sender,
    SignedRequest,
    Taken,
    Unknown,
)
from tests.channels.provider_wires import ADDRESSES, CONTENTS, WIRES, ProviderWire, nobody_there
from tests.channels.test_twilio_sms import NOW, REF
from tests.channels.wire import Wire, reply

ODD_BODIES = (
    b"",
    b"[" * 5_000,
    b'{"x": ' + b"[" * 5_000,
    b'{"sid": "\xff", "code": 1, "errors": [{"field": "\xff"}]}',
    b'{"sid": 1, "code": 1e999, "status": NaN, "num_segments": "9", "errors": 1}',
    b'{"code": "x", "status": "y", "message": null, "errors": [1, null]}',
    b'{"sid": "SM1", "num_segments": "' + b"9" * 5_000 + b'"}',
    b'{"sid": "SM1", "date_created": "x", "code": ' + b"9" * 5_000 + b"}",
    b"null",
)
POOL = ConnectionPool(connect_timeout=0.5, read_timeout=0.5)


@pytest.fixture(autouse=True)
def _idle_connections() -> Iterator[None]:
    yield
    POOL.close()


def senders(name: str, settings: ChannelSettings) -> dict[Channel, Sender]:
    """The senders of messages; a hand-off looks before it asks, which `tests/twin/test_handoff.py` is about."""
    found = PROVIDERS[name](settings, POOL)
    return {channel: sender for channel, sender in found.items() if channel not in CALLS}


def outbound(channel: Channel, sender: str | None = None) -> Outbound:
    content = CONTENTS.get(channel, CONTENTS["sms"])
    to = ADDRESSES.get(channel, "+14155550101")
    return Outbound(delivery=REF, lane=3, channel=channel, to=to, content=content, sender=sender)


def ways(wire: ProviderWire, channel: Channel) -> Iterator[Outbound]:
    """Everything a provider sends on a channel: as usual, and as the special senders that it knows there."""
    for sender in (None, *wire.senders.get(channel, ())):
        yield outbound(channel, sender)


@pytest.fixture(params=list(PROVIDERS))
def provider(request: pytest.FixtureRequest) -> Iterator[tuple[str, ProviderWire]]:
    """Each provider on its wire. One without a row in `provider_wires` fails here: write it one."""
    opened, drive = WIRES[request.param]
    with opened() as server:
        yield request.param, drive(server)


Provider = tuple[str, ProviderWire]


def test_what_is_accepted_has_an_id_and_left_once(provider: Provider) -> None:
    name, wire = provider
    for channel, sender in senders(name, wire.settings).items():
        for way in ways(wire, channel):
            before = wire.taken()
            answer = sender.send(way)

            assert isinstance(answer, Accepted)
            assert answer.provider_id
            assert wire.taken() == before + 1
            assert sender.provider == name


def test_what_is_refused_for_now_is_busy_and_not_repeated_inside(provider: Provider) -> None:
    name, wire = provider
    for channel, sender in senders(name, wire.settings).items():
        for way in ways(wire, channel):
            before = wire.taken()
            wire.not_now()

            assert isinstance(sender.send(way), Busy)
            assert wire.taken() <= before + 1


def test_where_nobody_listens_it_is_busy(provider: Provider) -> None:
    name, wire = provider
    for channel, sender in senders(name, nobody_there(wire.settings)).items():
        for way in ways(wire, channel):
            assert isinstance(sender.send(way), Busy)


def test_a_connection_that_dies_after_the_message_left_is_an_unknown_outcome(provider: Provider) -> None:
    name, wire = provider
    for channel, sender in senders(name, wire.settings).items():
        for way in ways(wire, channel):
            before = wire.taken()
            wire.silence()

            assert isinstance(sender.send(way), Unknown)
            assert wire.taken() == before + 1


def test_a_wrong_address_is_told_apart_from_a_wrong_setup(provider: Provider) -> None:
    name, wire = provider
    for channel, sender in senders(name, wire.settings).items():
        for way in ways(wire, channel):
            wire.bad_address()
            wrong = sender.send(way)
            assert isinstance(wrong, Rejected)
            assert wrong.reason is FailReason.INVALID_ADDRESS

            wire.bad_password()
            setup = senders(name, wire.settings)[channel].send(way)
            assert isinstance(setup, Rejected)
            assert setup.reason is FailReason.CONFIG


def test_a_content_of_another_kind_never_leaves(provider: Provider) -> None:
    name, wire = provider
    foreign = HandoffContent(target="flex", workflow=None, attributes={}, identifiers={})
    for channel, sender in senders(name, wire.settings).items():
        answer = sender.send(Outbound(delivery=REF, lane=3, channel=channel, to="x", content=foreign))

        assert isinstance(answer, Rejected)
        assert wire.taken() == 0


def test_a_question_has_one_of_three_answers(provider: Provider) -> None:
    name, wire = provider
    for channel, sender in senders(name, nobody_there(wire.settings)).items():
        for way in ways(wire, channel):
            question = Question(
                delivery=REF,
                channel=channel,
                to=way.to,
                called_at=NOW,
                known_ids=frozenset(),
                sender=way.sender,
            )
            assert isinstance(sender.ask(question), Taken | NotTaken | CannotSay)


def test_nobodys_address_is_logged(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    name, wire = provider
    caplog.set_level(logging.DEBUG)
    for channel, sender in senders(name, wire.settings).items():
        wire.bad_address()
        sender.send(outbound(channel))

    assert "+14155550101" not in caplog.text
    assert ADDRESSES["email"] not in caplog.text


def test_without_its_credentials_a_provider_sends_nothing() -> None:
    bare = ChannelSettings(public_url="https://e.example")

    assert {name: senders(name, bare) for name in PROVIDERS} == {name: {} for name in PROVIDERS}


def test_no_webhook_believes_an_unsigned_request(provider: Provider) -> None:
    _, wire = provider
    for webhook in build_webhooks(wire.settings):
        request = SignedRequest(
            method="POST", url=f"https://engage.example/webhooks/{webhook.path}", query={}, headers={}, body=b"[]", received_at=NOW
        )  # fmt: skip
        assert not webhook.verify(request)


@pytest.mark.parametrize("name", ["twilio", "sendgrid"])
def test_an_answer_that_nobody_understands_is_an_answer_all_the_same(name: str) -> None:
    _, drive = WIRES[name]
    with Wire() as server:
        wire = drive(server)
        for channel, sender in senders(name, wire.settings).items():
            for way in ways(wire, channel):
                for status in (200, 201, 400, 401, 404, 429, 500):
                    for body in ODD_BODIES:
                        server.usual = reply(status, body)
                        answer = sender.send(way)

                        assert isinstance(answer, Accepted | Busy | Rejected | Unknown)
