"""Target: the sandbox, which believes everybody, and must neither die nor hang for it."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

from engage.sandbox.app import SandboxApp
from engage.sandbox.config import SandboxConfig
from engage.sandbox.http_client import ConnectError, HttpClient
from engage.sandbox.signing import generate_signing_key
from engage.sandbox.state import Sandbox
from engage.sandbox.wire import RESET_EXTENSION
from tests.api.world import basic
from tests.fuzz.asking import Asked, ask
from tests.fuzz.target import Target

MOST = 20
"""Requests of one input."""
TURNS = 60
"""Of the event loop: more than any request needs that waits for nobody."""
_KEY = generate_signing_key()[0]
_CREDENTIALS = [(name.encode(), value.encode()) for name, value in basic("AC1").items()]
_FORM, _JSON = b"application/x-www-form-urlencoded", b"application/json"


class _Nowhere(HttpClient):
    """Reaches nobody; what is asked for is made all the same."""

    async def _open(self, origin: tuple[str, str, int], seconds: float) -> Any:
        raise ConnectError(f"{origin} is not reached within {seconds} s")


def _steer(data: bytes) -> None:
    asyncio.run(_steered([line for line in data.split(b"\n") if line][:MOST]))


async def _steered(lines: list[bytes]) -> None:
    """Put a line a request: control routes are answered at once, and nothing that follows from it breaks."""
    accidents: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: accidents.append(context))
    sandbox = Sandbox(SandboxConfig(signing_key=_KEY, latencies=False, event_batch_seconds=0.0))
    sandbox.client = sandbox.courier._client = _Nowhere()
    app = SandboxApp(sandbox)
    for line in lines:
        asked = _asked(line)
        answered = await _within(app, asked)
        if asked.path.startswith(b"/_sandbox/"):
            assert answered in ((200, 400, 404, 405) if answered is not None else (None,)), (line, answered)
            assert answered is not None or b"/inbound" in asked.path, line
    assert await _within(app, Asked("GET", b"/_sandbox/stats", b"", [], b"")) == 200
    await sandbox.stop()
    assert not accidents, accidents


async def _within(app: SandboxApp, asked: Asked) -> int | None:
    """Return the status, None if whoever asked waited in vain and left."""
    request = asyncio.create_task(ask(app, asked, {RESET_EXTENSION: lambda: None}))
    for _ in range(TURNS):
        await asyncio.sleep(0)
        if request.done():
            break
    if request.done():
        return request.result().status
    request.cancel()
    with suppress(asyncio.CancelledError):
        await request
    return None


def _asked(line: bytes) -> Asked:
    target, _, body = line.partition(b" ")
    kind = _JSON if target.startswith((b"/v3/", b"/_sandbox/")) else _FORM
    headers = [*_CREDENTIALS, (b"content-type", kind)]
    if target.startswith(b"/v3/"):
        headers[0] = (b"authorization", b"Bearer SG.x")
    asked = Asked.of((b"POST " if body else b"GET ") + target)
    return replace(asked, headers=headers, body=body)


_TEXT = b"/2010-04-01/Accounts/AC1/Messages.json To=%2B14155550101&From=%2B15005550006&Body=Hi&StatusCallback=https://a.example/cb?ref=r%23rc=2"
_CALL = b"/2010-04-01/Accounts/AC1/Calls.json To=%2B14155550101&From=%2B15005550006&Twiml=<Response><Say>Hi</Say></Response>"
_MAIL = (
    b'/v3/mail/send {"personalizations": [{"to": [{"email": "a@b.example"}]}], "from": {"email": "s@b.example"},'
    b' "subject": "Hi", "content": [{"type": "text/plain", "value": "Hi"}]}'
)
_STEERED = [
    b'/_sandbox/config {"speed": 10, "keep": 2, "inbound_sms_url": "http://a.example/x#rc=2", "open_share": 0.5}',
    b'/_sandbox/faults [{"fault": "503_after", "channel": "sms", "to": "+1*", "count": 1, "status": 502, "retry_after": 1}]',
    b'/_sandbox/faults {"faults": [{"fault": "delay", "seconds": 3, "probability": 0.5}, {"fault": "odd"}, {"fault": "forged"}]}',
    b'/_sandbox/inbound {"channel": "sms", "from": "+14155550101", "body": "STOP", "media": ["http://a.example/a.png"]}',
    b'/_sandbox/inbound {"channel": "email", "from": "a@b.example", "to": "shop@b.example", "subject": "Re", "html": "<p>"}',
    b'/_sandbox/inbound {"channel": "voice", "from": "+14155550101", "digits": "1"}',
    b'/_sandbox/inbound {"channel": "video", "from": "a.b.c", "body": "join"}',
    b'/_sandbox/inbound {"channel": "agent", "from": "x", "body": "complete: sold"}',
    b'/_sandbox/suppressions {"list": "group:1", "email": "a@b.example"}',
    b'/_sandbox/status {"id": "SM1", "status": "delivered", "code": 30007}',
    b'/_sandbox/clock {"speed": 0}',
    b"/_sandbox/messages?to=+14155550101&limit=2&more=1&channel=sms&ref=r",
    b"/_sandbox/stats?starts=1",
    b"/_sandbox/records?kind=tasks",
    b"/_sandbox/reset {}",
    b"/phones/+14155550101 body=STOP",
]
TARGETS = [
    Target(
        "sandbox",
        _steer,
        [
            *_STEERED,
            *(b"\n".join((steered, _TEXT, _MAIL, _CALL)) for steered in _STEERED[:5]),
            b"\n".join(_STEERED),
        ],
    )
]
