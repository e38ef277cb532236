"""The Twilio SDK over kept connections: one base URL for every product if asked, `Retry-After` kept, nothing repeated."""

import logging
import threading
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from engage.channels.connections import ConnectionPool, Endpoint
from engage.channels.retry_after import retry_after

_logger = logging.getLogger("twilio.http_client")
# At INFO the SDK writes URLs with their query, phone numbers included.
_logger.setLevel(logging.WARNING)


class KeptHttpClient(HttpClient):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's HTTP client on a `ConnectionPool`. Thread-safe; raises the pool's two errors unchanged.

    The SDK's default client costs about 690 µs a call in `requests`; and neither it nor its exceptions
    keep the headers of an error answer, where `Retry-After` is.
    """

    def __init__(self, pool: ConnectionPool, base_url: str | None = None) -> None:
        super().__init__(_logger, is_async=False)
        self._pool = pool
        self._everything = Endpoint.parse(base_url) if base_url else None
        self._endpoints: dict[str, Endpoint] = {}
        self._here = threading.local()

    def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Make one request. Redirects come back as answers; a POST is never repeated.

        Raises:
            NotSentError: the request certainly did not reach Twilio.
            OutcomeUnknownError: it may have.
        """
        endpoint, target = self._split(uri)
        if params:
            target = f"{target}?{urlencode(params, doseq=True)}"
        sent = dict(headers or {})
        if auth is not None:
            sent["Authorization"] = "Basic " + b64encode(f"{auth[0]}:{auth[1]}".encode()).decode()
        self._here.retry_after = None
        reply = self._pool.call(endpoint, method.upper(), target, sent, _body(data, sent))
        self._here.retry_after = retry_after(reply.headers)
        return Response(reply.status, reply.body.decode("utf-8", "replace"), dict(reply.headers))

    def last_retry_after(self) -> timedelta | None:
        """Return what the last answer that this thread got said in `Retry-After`."""
        wait: timedelta | None = getattr(self._here, "retry_after", None)
        return wait

    def _split(self, url: str) -> tuple[Endpoint, str]:
        scheme, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        if self._everything is not None:
            return self._everything, slash + path
        endpoint = self._endpoints.get(authority)
        if endpoint is None:
            endpoint = self._endpoints[authority] = Endpoint.parse(f"{scheme}://{authority}")
        return endpoint, slash + path


def _body(data: Mapping[str, Any] | None, headers: Mapping[str, str]) -> bytes:
    if not data:
        return b""
    if headers.get("Content-Type", "").endswith("json"):
        return msgspec.json.encode(data)
    return urlencode(data, doseq=True).encode("ascii")


def twilio_client(
    *, http: KeptHttpClient, account_sid: str, auth_token: str, api_key: str | None, api_secret: str | None
) -> Client:
    """Return the SDK's client, signing in with the API key where there is one, else with the auth token."""
    if api_key and api_secret:
        return Client(api_key, api_secret, account_sid, http_client=http)
    return Client(account_sid, auth_token, http_client=http)
