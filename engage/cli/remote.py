"""Remote: an installation on another machine, asked through its API (`ENGAGE_API_URL` and `ENGAGE_API_TOKEN`)."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import click

from engage.cli.client import Client, ClientError
from engage.settings import Settings

COMMANDS = (
    "why, profile show, profile forget, send, status, pause, resume, archive, stop-sending, resume-sending, "
    "quarantine list, quarantine replay, unknown list, unknown resolve"
)
"""What can be asked of a server; everything else works where the database is."""
KINDS = ("user_id", "email", "phone", "anonymous_id", "id")
ERASURE_SECONDS = 60.0
POLL_SECONDS = 0.2


class Remote:
    """One server. Its answers are those of the HTTP API; refusals end the command in one line."""

    def __init__(self, client: Client) -> None:
        """Ask through `client`."""
        self._client = client

    def get(self, path: str, query: Mapping[str, str | None] | None = None) -> Any:
        """Return what is there."""
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        return self._call("GET", f"{path}?{urlencode(asked)}" if asked else path)

    def put(self, path: str, body: Any) -> Any:
        """Change something."""
        return self._call("PUT", path, body)

    def post(self, path: str, body: Any) -> Any:
        """Ask for something."""
        return self._call("POST", path, body)

    def person(self, text: str) -> dict[str, Any]:
        """Return the page of whom a text names: `kind:value`, or only the value.

        Raises:
            click.ClickException: nobody.
        """
        found: dict[str, Any] | None = None
        for candidate in (text, *(f"{kind}:{text}" for kind in KINDS)):
            try:
                found = self._client.call("GET", f"/v1/profiles/{quote(candidate, safe=':')}")
            except ClientError as exc:
                if exc.status not in (400, 404):
                    raise _told(exc) from exc
            if found is not None:
                return found
        raise click.ClickException(
            f"nobody is known as `{text}`; write for instance `user_id:ada` or `email:ada@shop.example`"
        )

    def forget(self, text: str) -> dict[str, Any]:
        """Erase a person and return the proof, once the server's workers are done.

        Raises:
            click.ClickException: it is asked for, and not done within a minute.
        """
        request = self._call("DELETE", f"/v1/profiles/{quote(text, safe=':')}")["request"]
        until = time.monotonic() + ERASURE_SECONDS
        while time.monotonic() < until:
            found: dict[str, Any] = self.get(f"/v1/erasures/{request}")
            if found["erased"]:
                return found
            time.sleep(POLL_SECONDS)
        raise click.ClickException(
            f"the erasure is stored as {request} and not done yet; are the server's workers up?"
        )

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self._client.call(method, path, body)
        except ClientError as exc:
            raise _told(exc) from exc


@contextmanager
def reached(settings: Settings) -> Iterator[Remote]:
    """Open the way to the server that the settings name.

    Raises:
        click.UsageError: there is no token for it.
    """
    if settings.api_token is None:
        raise click.UsageError("ENGAGE_API_URL is set; ENGAGE_API_TOKEN must hold a token for it")
    try:
        client = Client(settings.api_url or "", token=settings.api_token)
    except ValueError as exc:
        raise click.UsageError(f"ENGAGE_API_URL: {exc}") from exc
    with client:
        yield Remote(client)


def _told(error: ClientError) -> click.ClickException:
    return click.ClickException(error.message)
