"""Bounded HTTP: uvicorn's protocol, with an end to what may come before and between bodies, and to how long heads and bodies may take."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Bytes that may come without a request's head, or a piece of its body, being complete: its parser keeps them all, and joins them in
the square of their length."""
HEAD_SECONDS = 20.0
"""How long a connection may say nothing, and a head may take."""
BODY_SECONDS = 60.0
"""How long a body may take."""
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """Closes connections whose requests never begin, or never end. Takes no header behind a body, and no upgrade."""

    _held = 0
    """Bytes since the last that led somewhere."""
    _in_body = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, within bounds."""
        self._held += len(data)
        super().data_received(data)
        if self._held > MAX_HEAD and not self.transport.is_closing():
            if not self._in_body:
                self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._deadline is None and (self._in_body or self._held):
            self._wait(BODY_SECONDS if self._in_body else HEAD_SECONDS)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one behind the body is not among those that a proxy has looked at."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the body, of however many bytes."""
        self._wait(None)
        self._held, self._in_body = 0, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of it."""
        self._held = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._wait(None)
        self._held, self._in_body = 0, False
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: an upgrade may be ignored, and whoever asks for one fills no log."""

    def _wait(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.close)
