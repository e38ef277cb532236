"""SendGrid's own suppression lists: bounces, invalid addresses, complaints, global unsubscribes and groups.

Its blocks are left alone: SendGrid itself goes on sending to them.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from engage.channels.connections import NotSentError, OutcomeUnknownError
from engage.channels.sendgrid_email import PROVIDER
from engage.ports.listing import (
    BOUNCED,
    COMPLAINED,
    GROUP,
    INVALID,
    UNSUBSCRIBED,
    ListsAwayError,
    Page,
)

PAGE = 500
"""The most that SendGrid gives at once."""
_PATHS: Mapping[str, str] = {
    BOUNCED: "bounces",
    INVALID: "invalid_emails",
    COMPLAINED: "spam_reports",
    UNSUBSCRIBED: "unsubscribes",
}
_T = TypeVar("_T")


class _Entry(msgspec.Struct):
    email: str
    created: int | None = None


_entries = msgspec.json.Decoder(list[_Entry])
_addresses = msgspec.json.Decoder(list[str])


class SendGridLists:
    """The lists, over the SDK's client. See `ProviderLists`."""

    provider = PROVIDER
    listings: Sequence[str] = tuple(_PATHS)

    def __init__(self, sdk: SendGridAPIClient) -> None:
        self._client = sdk.client

    def page(self, listing: str, since: datetime | None, offset: int) -> Page:
        """Return some of a list; a group comes whole, and says of nobody since when."""
        if listing.startswith(GROUP):
            answer = _asked(self._group(listing).get)
            return Page(entries=[(one, None) for one in _read(_addresses, answer.body)], more=False)
        query: dict[str, object] = {"limit": PAGE, "offset": offset}
        if since is not None:
            query["start_time"] = int(since.timestamp())
        path = self._client.suppression._(_PATHS[listing])
        answer = _asked(lambda: path.get(query_params=query))
        found = _read(_entries, answer.body)
        entries = [
            (one.email, None if one.created is None else datetime.fromtimestamp(one.created, UTC))
            for one in found
        ]
        return Page(entries=entries, more=len(found) >= PAGE)

    def add(self, listing: str, addresses: Sequence[str]) -> None:
        """Put addresses on the global list or a group."""
        path = self._client.asm.suppressions._("global")
        if listing.startswith(GROUP):
            path = self._group(listing)
        _asked(lambda: path.post(request_body={"recipient_emails": list(addresses)}))

    def remove(self, listing: str, address: str) -> None:
        """Take an address off a list."""
        name = quote(address, safe="@")
        if listing == UNSUBSCRIBED:
            path = self._client.asm.suppressions._("global")._(name)
        elif listing.startswith(GROUP):
            path = self._group(listing)._(name)
        else:
            path = self._client.suppression._(_PATHS[listing])._(name)
        try:
            path.delete()
        except HTTPError as exc:
            if exc.status_code != 404:
                raise _away(exc) from exc
        except (NotSentError, OutcomeUnknownError) as exc:
            raise ListsAwayError(type(exc).__name__) from exc

    def _group(self, listing: str) -> Any:
        return self._client.asm.groups._(listing.removeprefix(GROUP)).suppressions


def _asked(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except HTTPError as exc:
        raise _away(exc) from exc
    except (NotSentError, OutcomeUnknownError) as exc:
        raise ListsAwayError(type(exc).__name__) from exc


def _away(exc: HTTPError) -> ListsAwayError:
    """SendGrid's texts may quote addresses and stay here."""
    if exc.status_code in {401, 403}:
        return ListsAwayError(
            f"{exc.status_code}: the key may not do this; give it suppressions and unsubscribe groups"
        )
    if exc.status_code == 404:
        return ListsAwayError("404: there is no such list or group")
    return ListsAwayError(str(exc.status_code))


def _read(decoder: "msgspec.json.Decoder[_T]", body: bytes) -> _T:
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError) as exc:
        raise ListsAwayError("the answer is no list") from exc
