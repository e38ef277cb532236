"""What a provider's answers and receipts mean: the channels' own error table, handed to whoever plays the provider."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from engage.channels.twilio_errors import answer_to_error, failure
from engage.domain.delivery.delivery import Channel
from engage.ports.channel import Answer

_KEYWORDS = {
    **dict.fromkeys(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"), "stop"),
    **dict.fromkeys(("START", "UNSTOP"), "start"),
    **dict.fromkeys(("HELP", "INFO"), "help"),
}


class FailureMeaning(Protocol):
    """What an error code in a receipt says about a delivery that had been taken."""

    @property
    def reason(self) -> str:
        """Of `FailReason`."""
        ...

    @property
    def permanent(self) -> bool:
        """Whether the address itself is at fault for good."""
        ...

    @property
    def opted_out(self) -> bool:
        """Whether the provider says that the person opted out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderWords:
    """The tables a scripted provider needs; nothing in them is the tests' own."""

    answer: Callable[[int, int | None, timedelta | None], Answer]
    """(HTTP status, provider's code, Retry-After) of a refused call → what it means for the delivery."""
    failure: Callable[[str | None], FailureMeaning]
    """Provider's code in a receipt → its meaning."""


PROVIDER_WORDS = ProviderWords(answer=answer_to_error, failure=failure)


def keyword(channel: str, body: str) -> str | None:
    """Return `stop`, `start` or `help` if an SMS is, as a whole, such a word (vocabulary.md, "SMS keywords")."""
    return _KEYWORDS.get(body.strip().upper()) if channel == Channel.SMS else None
