"""A scripted provider answers as it was told, once per answer, and then takes everything."""

from datetime import UTC, datetime, timedelta

import pytest

from engage.domain.delivery.delivery import Channel
from engage.domain.ids import DeliveryId
from engage.engine.simulate import VirtualClock
from engage.ports.channel import (
    Accepted,
    Busy,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    SmsContent,
    Taken,
    Unknown,
)
from engage.project.scenario.values import answer
from engage.testing.moments import as_offset
from engage.testing.provider_words import keyword
from engage.testing.scripted import ScriptedProviders

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HELLO = Outbound(
    delivery=DeliveryId("d-1"),
    lane=0,
    channel=Channel.SMS,
    to="+14155550101",
    content=SmsContent(body="Hello"),
)
QUESTION = Question(
    delivery=HELLO.delivery, channel=Channel.SMS, to=HELLO.to, called_at=NOW, known_ids=frozenset()
)


@pytest.mark.parametrize(
    ("script", "kind", "taken", "asked"),
    [
        ("ok", Accepted, True, Taken),
        (201, Accepted, True, Taken),
        (429, Busy, False, NotTaken),
        (503, Unknown, False, NotTaken),
        (500, Unknown, False, NotTaken),
        ("timeout", Unknown, True, Taken),
        ("timeout lost", Unknown, False, NotTaken),
        (404, Rejected, False, NotTaken),
        (21610, Rejected, False, NotTaken),
    ],
)
def test_an_answer_means_what_the_providers_table_says(
    script: object, kind: type, taken: bool, asked: type
) -> None:
    providers = ScriptedProviders(VirtualClock(NOW))
    providers.script(Channel.SMS, [answer(script)])
    sender = providers.senders[Channel.SMS]

    given = sender.send(HELLO)

    assert isinstance(given, kind)
    assert bool(providers.messages()) is taken
    assert isinstance(sender.ask(QUESTION), asked)


def test_after_its_script_it_takes_everything() -> None:
    providers = ScriptedProviders(VirtualClock(NOW))
    providers.script(Channel.SMS, [answer("429 retry 30s"), answer(30006)])
    sender = providers.senders[Channel.SMS]

    first, second, third = (sender.send(HELLO) for _ in range(3))

    assert isinstance(first, Busy)
    assert first.retry_after == timedelta(seconds=30)
    assert isinstance(second, Rejected)
    assert second.suppress
    assert isinstance(third, Accepted)
    assert [message.body for message in providers.messages()] == ["Hello"]


def test_a_call_again_after_a_lost_one_is_what_asking_is_about() -> None:
    providers = ScriptedProviders(VirtualClock(NOW))
    providers.script(Channel.SMS, [answer("timeout lost"), answer("timeout")])
    sender = providers.senders[Channel.SMS]

    sender.send(HELLO)
    before = sender.ask(QUESTION)
    sender.send(HELLO)

    assert isinstance(before, NotTaken)
    assert isinstance(sender.ask(QUESTION), Taken)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" stop ", "stop"),
        ("OptOut", "stop"),
        ("start", "start"),
        ("INFO", "help"),
        ("yes", None),
        ("stop it", None),
    ],
)
def test_a_keyword_is_the_whole_text(text: str, found: str | None) -> None:
    assert keyword("sms", text) == found
    assert keyword("whatsapp", text) is None


@pytest.mark.parametrize(
    ("elapsed", "shown"),
    [
        (timedelta(0), "0s"),
        (timedelta(hours=1, minutes=30), "1h 30m"),
        (timedelta(days=-1), "-1d"),
        (timedelta(days=2, seconds=1, milliseconds=5), "2d 1s 5ms"),
        (timedelta(microseconds=7), "7µs"),
    ],
)
def test_instants_are_shown_as_offsets(elapsed: timedelta, shown: str) -> None:
    assert as_offset(NOW + elapsed, NOW) == shown
