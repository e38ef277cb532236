"""The SendGrid SDK over kept connections: its stock client opens a TLS connection, and loads the trust store, per mail."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from python_http_client import exceptions
from python_http_client.client import Client
from sendgrid import SendGridAPIClient

from engage.channels.connections import ConnectionPool, Endpoint, Reply

_ERRORS: dict[int, type[exceptions.HTTPError]] = exceptions.err_dict


class KeptResponse(NamedTuple):
    """A 2xx answer, with the fields of the SDK's own response."""

    status_code: int
    body: bytes
    headers: Mapping[str, str]


class KeptClient(Client):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's fluent client on a `ConnectionPool`. Thread-safe: no call changes it.

    Every path segment keeps the class and the pool. Never repeats, never follows a redirect (the stock client turns
    a redirected POST into a GET and reports success), never logs bodies.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        host: str,
        request_headers: Mapping[str, str],
        version: int | None = None,
        url_path: tuple[str, ...] = (),
    ) -> None:
        super().__init__(host, dict(request_headers), version, list(url_path))
        self._pool = pool
        self._endpoint = Endpoint.parse(host)

    def _build_client(self, name: str | None = None) -> "KeptClient":
        path = (*self._url_path, str(name)) if name else tuple(self._url_path)
        child = KeptClient.__new__(KeptClient)
        child.__dict__.update(self.__dict__)
        child._url_path = list(path)
        return child

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self.methods:
            return super().__getattr__(name)

        def call(
            request_body: object = None,
            query_params: Mapping[str, object] | None = None,
            request_headers: Mapping[str, str] | None = None,
            **_: object,
        ) -> KeptResponse:
            headers = {**self.request_headers, **(request_headers or {})}
            body = b""
            if request_body is not None:
                headers.setdefault("Content-Type", "application/json")
                body = msgspec.json.encode(request_body)
            target = self._build_url(query_params)[len(self.host) :]
            reply = self._pool.call(self._endpoint, name.upper(), target, headers, body)
            return _response(reply)

        return call


def _response(reply: Reply) -> KeptResponse:
    if 200 <= reply.status < 300:
        return KeptResponse(reply.status, reply.body, reply.headers)
    raise _ERRORS.get(reply.status, exceptions.HTTPError)(reply.status, "", reply.body, reply.headers)


def sendgrid_client(pool: ConnectionPool, api_key: str, base_url: str | None) -> SendGridAPIClient:
    """Return the SDK's client with its transport replaced."""
    sdk = SendGridAPIClient(api_key, host=(base_url or "https://api.sendgrid.com").rstrip("/"))
    sdk.client = KeptClient(pool, sdk.host, sdk._default_headers, 3)
    return sdk
