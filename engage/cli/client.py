"""A small JSON client over one kept connection, for the demo and the remote commands."""

import base64
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 15.0


class ClientError(Exception):
    """The server answered with an error, or not at all; the text says which."""

    def __init__(self, text: str, *, status: int | None = None, message: str | None = None) -> None:
        """Keep the status of the answer, none for no answer, and the server's own words."""
        super().__init__(text)
        self.status = status
        self.message = message or text


class Client:
    """Speaks JSON to one server. Not thread-safe: one per thread."""

    def __init__(self, base: str, *, user: str | None = None, token: str | None = None) -> None:
        """Speak to `base` as a write key (`user`) or with a token.

        Raises:
            ValueError: `base` is no address of HTTP.
        """
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"`{base}` is no address; write `https://engage.shop.example`")
        secure = parts.scheme == "https"
        self._kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._host, self._port = parts.hostname, parts.port or (443 if secure else 80)
        self._below = parts.path.rstrip("/")
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
            told = raw[:300].decode(errors="replace")
            raise ClientError(f"{method} {path}: {status} {told}", status=status, message=_message(raw))
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
            self._connection = self._kind(self._host, self._port, timeout=timeout)
        self._connection.request(method, self._below + path, data, self._headers)
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


def _message(raw: bytes) -> str | None:
    """Return the words of an error of our API; None for what is none."""
    try:
        message = json.loads(raw)["message"]
    except (ValueError, KeyError, TypeError):
        return None
    return message if isinstance(message, str) else None
