"""The console as an ASGI application: routes, login, and headers that let a page load nothing from elsewhere."""

from collections.abc import Callable
from importlib.resources import files

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engage.console.deps import ConsoleDeps
from engage.console.door import Door
from engage.console.pages import Looking
from engage.console.rendering import SECURITY, Pages
from engage.ports.storage import StorageAwayError, StorageBusyError, StorageRefusedError

_BRIEFLY = "public, max-age=60"


def create_console(deps: ConsoleDeps) -> Starlette:
    """Return the console, as `mount_console` puts it at `/console`. It only reads."""
    pages = Pages(deps)
    looking = Looking(deps, pages)
    door = Door(deps, pages)
    shown: tuple[tuple[str, Callable[[Request], Response]], ...] = (
        ("/", looking.overview),
        ("/journeys", looking.journeys),
        ("/journeys/{journey}.svg", looking.picture),
        ("/journeys/{journey}", looking.journey),
        ("/audiences", looking.audiences),
        ("/audiences/{audience}", looking.audience),
        ("/people", looking.people),
        ("/people/{profile}", looking.person),
        ("/deliveries", looking.deliveries),
        ("/deliveries/{delivery}", looking.delivery),
        ("/queues", looking.queues),
        ("/quarantine", looking.quarantine),
    )
    console = Starlette(
        routes=[
            *(Route(path, door.guarded(page), methods=["GET"]) for path, page in shown),
            Route("/login", door.show, methods=["GET"]),
            Route("/login", door.enter, methods=["POST"]),
            Route("/logout", door.leave, methods=["POST"]),
            Route("/style.css", _file("style.css", "text/css"), methods=["GET"]),
            Route("/live.js", _file("live.js", "text/javascript"), methods=["GET"]),
        ],
        middleware=[Middleware(_Headers)],
        exception_handlers={
            HTTPException: door.refused,
            StorageAwayError: door.away,
            StorageBusyError: door.away,
            StorageRefusedError: door.unheard_of,
        },
    )
    console.router.redirect_slashes = False  # it would lead to whatever host the caller says we are
    return console


def mount_console(app: Starlette, deps: ConsoleDeps) -> None:
    """Put the console at `/console` of an application, with and without the slash."""

    def show(_request: Request) -> Response:
        return RedirectResponse("/console/", 307)

    app.add_route("/console", show, methods=["GET"], include_in_schema=False)
    app.mount("/console", create_console(deps))


class _Headers:
    """Gives every answer the headers of `SECURITY`, unless it brings its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending)


def _file(name: str, media_type: str) -> Callable[[Request], Response]:
    content = files("engage.console").joinpath("static", name).read_bytes()

    def answer(_request: Request) -> Response:
        return Response(content, media_type=media_type, headers={"cache-control": _BRIEFLY})

    return answer
