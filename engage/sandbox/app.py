"""The ASGI application: hot routes first, all others by Starlette."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engage.sandbox.config import SandboxConfig
from engage.sandbox.control import ControlRoutes
from engage.sandbox.errors import sendgrid_error, twilio_error
from engage.sandbox.hot_routes import HotRoutes
from engage.sandbox.pages import PageRoutes
from engage.sandbox.sendgrid.routes import SendGridRoutes
from engage.sandbox.state import Sandbox
from engage.sandbox.twilio.codes import CodeRoutes
from engage.sandbox.twilio.conversations import ConversationRoutes
from engage.sandbox.twilio.products import ProductRoutes
from engage.sandbox.twilio.routes import TwilioRoutes, respond
from engage.sandbox.twilio.video import VideoRoutes


class SandboxApp(Starlette):
    """Starlette with a short cut for the requests that carry the load."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._hot = HotRoutes(sandbox)
        self.sandbox = sandbox

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            yield
            await sandbox.stop()

        super().__init__(
            routes=[
                *ControlRoutes(sandbox).routes(),
                *TwilioRoutes(sandbox).routes(),
                *SendGridRoutes(sandbox).routes(),
                *ProductRoutes(sandbox).routes(),
                *ConversationRoutes(sandbox).routes(),
                *CodeRoutes(sandbox).routes(),
                *VideoRoutes(sandbox).routes(),
                *PageRoutes(sandbox).routes(),
            ],
            exception_handlers={404: _not_found},
            lifespan=lifespan,
        )
        self.router.redirect_slashes = False  # it would lead to whatever host the caller says we are

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._hot.takes(scope):
            await self._hot(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


async def _not_found(request: Request, exc: Exception) -> Response:
    if request.url.path.startswith("/v3/"):
        return respond(sendgrid_error(404, "not found"))
    return respond(twilio_error(20404))


def create_app(config: SandboxConfig) -> Starlette:
    """Return the sandbox as an ASGI application.

    Under another server than the sandbox's own, faults that cut a connection raise instead.
    """
    return SandboxApp(Sandbox(config))
