"""The provider's own opt-out list: STOP, START and HELP, per number or messaging service."""

from __future__ import annotations

from enum import StrEnum


class Keyword(StrEnum):
    STOP = "STOP"
    START = "START"
    HELP = "HELP"


# https://help.twilio.com/articles/223134027 (as of 2025: REVOKE and OPTOUT joined).
_WORDS = {
    **dict.fromkeys(
        ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"), Keyword.STOP
    ),
    **dict.fromkeys(("START", "YES", "UNSTOP"), Keyword.START),
    **dict.fromkeys(("HELP", "INFO"), Keyword.HELP),
}

REPLIES = {
    Keyword.STOP: "You have successfully been unsubscribed. You will not receive any more messages from this "
    "number. Reply START to resubscribe.",
    Keyword.START: "You have successfully been re-subscribed to messages from this number. Reply HELP for help. "
    "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
    Keyword.HELP: "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}


def keyword_of(body: str) -> Keyword | None:
    """Return the keyword that the whole text is, whatever its case."""
    return _WORDS.get(body.strip().upper())


class BlockList:
    """Who told which sender to stop."""

    def __init__(self) -> None:
        self._blocked: set[tuple[str, str]] = set()

    def block(self, scope: str, recipient: str) -> None:
        self._blocked.add((scope, recipient))

    def unblock(self, scope: str, recipient: str) -> None:
        self._blocked.discard((scope, recipient))

    def blocks(self, scopes: tuple[str, ...], recipient: str) -> bool:
        """Return whether any of these scopes may no longer write to the recipient."""
        return bool(self._blocked) and any((scope, recipient) in self._blocked for scope in scopes)

    def clear(self) -> None:
        self._blocked.clear()
