"""Record: what the sandbox has of everything it took, as the invariants want it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from engage.channels.sendgrid_events import MARKS as MAIL
from engage.channels.twilio_sms import STATUSES as MESSAGES
from engage.channels.twilio_voice import STATUSES as CALLS
from engage.domain.delivery.delivery import Channel, Mark
from engage.domain.ids import DeliveryId
from engage.testing.invariants import ProviderCall

_WORDS: Mapping[Channel, Mapping[str, Mark]] = {Channel.EMAIL: MAIL, Channel.VOICE: CALLS}
_OK = range(200, 300)


def taken(messages: Iterable[Mapping[str, Any]], *, asked: bool = False) -> list[ProviderCall]:
    """Return the calls of ours that stand in `messages`, as `/_sandbox/messages` shows them, with what became of each.

    One of whose callbacks did not arrive has said nothing yet, unless the provider was `asked` since.
    """
    return [
        ProviderCall(
            delivery=DeliveryId(one["ref"]),
            channel=Channel(one["channel"]),
            address=one["to"],
            at=datetime.fromisoformat(one["accepted_at"]),
            taken=True,
            told=set(_told(one)) if asked or _was_heard(one) else (),
        )
        for one in messages
        if one["ref"]
    ]


def _told(message: Mapping[str, Any]) -> Iterator[Mark]:
    words = _WORDS.get(Channel(message["channel"]), MESSAGES)
    for word in (message["status"], *(callback["event"] for callback in message["callbacks"])):
        if word in words:
            yield words[word]


def _was_heard(message: Mapping[str, Any]) -> bool:
    words = _WORDS.get(Channel(message["channel"]), MESSAGES)
    told = [callback for callback in message["callbacks"] if callback["event"] in words]
    return all(callback["answer"] in _OK for callback in told)
