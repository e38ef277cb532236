"""The HTTP face: hot routes first and straight on ASGI, everything else through FastAPI; errors have one shape everywhere."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from engage.api.answers import (
    ApiError,
    LostPageError,
    Receive,
    Scope,
    Send,
    error_answer,
    not_found,
    unavailable,
    wrong_method,
)
from engage.api.bodies import ClientGoneError
from engage.api.codes import code_routes
from engage.api.commands import command_routes
from engage.api.deps import ApiDeps
from engage.api.description import describe
from engage.api.health import health_routes
from engage.api.hooks import Hooks
from engage.api.inputs import invalid
from engage.api.links import link_routes
from engage.api.microbatch import OverloadedError
from engage.api.operating import operating_routes
from engage.api.profile_api import (
    by_its_present_name,
    in_both_shapes,
    is_segments,
    profile_api_routes,
    request_id,
)
from engage.api.reading import reading_routes
from engage.api.wire import Wire, overloaded
from engage.ports.storage import StorageAwayError, StorageBusyError, StorageRefusedError

log = structlog.get_logger(__name__)

_WITH_COOKIES = "/console"
"""Nothing else of ours has any."""


class EngageApi(FastAPI):
    """FastAPI with a short way in for the routes that thousands of events a second come by."""

    def __init__(self, deps: ApiDeps) -> None:
        """Answer with what `deps` hold."""
        super().__init__(
            title="engage",
            summary="Customer engagement: journeys as files.",
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            lifespan=_lifespan(deps),
            # It would lead to whatever host the caller says we are.
            redirect_slashes=False,
        )
        self._wire = Wire(deps)
        self._hooks = Hooks(deps)

    def openapi(self) -> dict[str, Any]:
        """Return the description of the whole face, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = describe(super().openapi(), self.routes)
        return self.openapi_schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: measured, the way through FastAPI's stack costs more than the event itself."""
        if scope["type"] == "http":
            path = scope["path"] = by_its_present_name(scope["path"])
            endpoint = self._wire.find(path) or self._hooks.find(path)
            if endpoint is not None:
                try:
                    await endpoint(scope, receive, send)
                except Exception:
                    log.exception("api.accident", method=scope["method"])
                    await error_answer(_accident())(scope, receive, send)
                return
            if not path.startswith(_WITH_COOKIES):
                # FastAPI reads cookies for every route, and Python before 3.11.10 and 3.12.6 takes the square of a quoted one's length.
                scope["headers"] = [header for header in scope["headers"] if header[0] != b"cookie"]
        await super().__call__(scope, receive, send)


def create_app(deps: ApiDeps) -> EngageApi:
    """Return the whole HTTP face (the console is mounted beside it by whoever wires it)."""
    app = EngageApi(deps)
    app.include_router(health_routes(deps, app))
    app.include_router(command_routes(deps))
    app.include_router(code_routes(deps))
    app.include_router(profile_api_routes(deps))
    app.include_router(reading_routes(deps))
    app.include_router(operating_routes(deps))
    app.include_router(link_routes(deps))
    app.add_exception_handler(ApiError, _answered)
    app.add_exception_handler(HTTPException, _answered)
    app.add_exception_handler(RequestValidationError, _answered)
    app.add_exception_handler(StorageAwayError, _answered)
    app.add_exception_handler(StorageBusyError, _answered)
    app.add_exception_handler(StorageRefusedError, _answered)
    app.add_exception_handler(OverloadedError, _answered)
    app.add_exception_handler(ClientGoneError, _answered)
    app.add_exception_handler(Exception, _answered)
    return app


def _lifespan(deps: ApiDeps) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await deps.batcher.close()

    return life


async def _answered(request: Request, exc: Exception) -> Response:
    """Give every error its one shape."""
    error = _error_of(request, exc)
    if isinstance(error, LostPageError):
        return Response(
            error.page, error.status, headers=error.headers, media_type="text/html; charset=utf-8"
        )
    if is_segments(request.url.path):
        headers = {**error.headers, **request_id()}
        return Response(in_both_shapes(error), error.status, headers=headers, media_type="application/json")
    return Response(error.body(), error.status, headers=error.headers, media_type="application/json")


def _error_of(request: Request, exc: Exception) -> ApiError:
    match exc:
        case ApiError():
            return exc
        case OverloadedError():
            return overloaded(exc)
        case StorageAwayError() | StorageBusyError():
            return unavailable()
        case StorageRefusedError():
            return invalid("A value in this can neither be stored nor looked for; U+0000 is one.")
        case RequestValidationError():
            return invalid("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors()))
        case HTTPException(status_code=404):
            return not_found()
        case HTTPException(status_code=405):
            return wrong_method((exc.headers or {}).get("Allow", "").split(", "))
        case HTTPException():
            return ApiError(exc.status_code, "http_error", str(exc.detail))
        case ClientGoneError():
            return ApiError(400, "client_gone", "The body broke off.")
        case _:
            return _accident()


def _accident() -> ApiError:
    return ApiError(500, "internal_error", "Something of ours went wrong; it is in the log.")
