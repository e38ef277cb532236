"""Answers: the JSON every caller gets, and the one shape of all errors: `{"code", "message", "details"}`."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

_encoder = msgspec.json.Encoder(decimal_format="number")
JSON_TYPE = (b"content-type", b"application/json")


class ApiError(Exception):
    """An answer other than success; the message tells the caller what to do and never holds personal data."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what the answer says; `code` is stable, `message` is for people."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Return the JSON of the answer."""
        return to_json({"code": self.code, "message": self.message, "details": self.details})


class LostPageError(ApiError):
    """An error that a person sees: told as a page."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str], page: str
    ) -> None:
        """Keep the page."""
        super().__init__(status, code, message, headers=headers)
        self.page = page


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, ready to be sent as it is."""

    status: int
    body: bytes
    headers: Sequence[Header] = field(default=(JSON_TYPE,))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        headers = [*self.headers, (b"content-length", b"%d" % len(self.body))]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})


def to_json(value: Any) -> bytes:
    """Return a value as JSON, decimals as exact numbers, instants as ISO 8601 in UTC."""
    return _encoder.encode(value)


def error_answer(error: ApiError, more: Sequence[Header] = ()) -> Answer:
    """Return an error as an answer; `more` are headers beside its own."""
    own = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return Answer(error.status, error.body(), (JSON_TYPE, *own, *more))


def not_found() -> ApiError:
    """There is nothing under this path."""
    return ApiError(404, "not_found", "There is nothing here; see /docs for what there is.")


def wrong_method(allowed: Sequence[str]) -> ApiError:
    """The path exists, the method does not."""
    names = ", ".join(allowed)
    return ApiError(405, "method_not_allowed", f"Use {names} here.", headers={"allow": names})


def unavailable() -> ApiError:
    """The database is away; what was sent may be sent again."""
    return ApiError(
        503, "unavailable", "The database is away; send this again soon.", headers={"retry-after": "2"}
    )
