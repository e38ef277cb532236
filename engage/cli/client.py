"""A small JSON client over one kept connection, for the demo and the remote commands."""

import base64
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 15.0


class ClientError(Exception):
    """The server answered with an error, or not at all; the text says which."""


class Client:
    """Speaks JSON to one server. Not thread-safe: one per thread."""

    def __init__(self, base: str, *, user: str | None = None, token: str | None = None) -> None:
        """Speak to `base` as a write key (`user`) or with a token."""
        parts = urlsplit(base)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._headers = {"Content-Type": "application/json"}
        if user is not None:
            self._headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:".encode()).decode()
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._connection: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, body: Any = None, *, timeout: float = TIMEOUT_SECONDS) -> Any:
        """Send one request and return what the answer holds.

        Raises:
            ClientError: no answer, or one that is no 2xx.
        """
        data = None if body is None else json.dumps(body).encode()
        status, raw = self._send(method, path, data, timeout)
        if status >= 300:
            raise ClientError(f"{method} {path}: {status} {raw[:300].decode(errors='replace')}")
        return json.loads(raw) if raw else None

    def press(self, path: str) -> None:
        """Press the one button of a page: an empty form is posted; the answer is for eyes.

        Raises:
            ClientError: no answer, or one that is an error.
        """
        status, _ = self._send("POST", path, b"", TIMEOUT_SECONDS)
        if status >= 400:
            raise ClientError(f"POST {path}: {status}")

    def _send(self, method: str, path: str, data: bytes | None, timeout: float) -> tuple[int, bytes]:
        for again in (self._connection is not None, False):
            try:
                return self._once(method, path, data, timeout)
            except (OSError, http.client.HTTPException) as exc:
                # A kept connection may have been closed meanwhile; what is sent twice carries its own identity.
                self.close()
                if not again:
                    raise ClientError(f"{self._host}:{self._port} does not answer: {exc}") from exc
        raise AssertionError("the second attempt returns or raises")

    def _once(self, method: str, path: str, data: bytes | None, timeout: float) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        self._connection.request(method, path, data, self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def __enter__(self) -> "Client":
        """Close the connection at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
