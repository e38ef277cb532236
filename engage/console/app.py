"""The console as an ASGI application: routes, login, and headers that let a page load nothing from elsewhere."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engage.console.deps import ConsoleDeps
from engage.console.pages import Looking
from engage.console.rendering import SECURITY, Pages, base_of
from engage.console.session import COOKIE, LIFETIME, open_session, read_session
from engage.ports.storage import StorageAwayError, StorageBusyError

MAX_FORM = 4_096
"""Bytes of a login."""
_BRIEFLY = "public, max-age=60"


def create_console(deps: ConsoleDeps) -> Starlette:
    """Return the console, to be mounted at `/console`. It only reads."""
    pages = Pages(deps)
    looking = Looking(deps, pages)
    door = _Door(deps, pages)
    shown: tuple[tuple[str, Callable[[Request], Response]], ...] = (
        ("/", looking.overview),
        ("/journeys", looking.journeys),
        ("/journeys/{journey}.svg", looking.picture),
        ("/journeys/{journey}", looking.journey),
        ("/people", looking.people),
        ("/people/{profile}", looking.person),
        ("/deliveries", looking.deliveries),
        ("/deliveries/{delivery}", looking.delivery),
        ("/queues", looking.queues),
        ("/quarantine", looking.quarantine),
    )
    return Starlette(
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
        },
    )


class _Door:
    """Lets people in who hold a token, and says what went wrong."""

    def __init__(self, deps: ConsoleDeps, pages: Pages) -> None:
        self._deps, self._pages = deps, pages

    def guarded(self, page: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        """Return the page behind the login."""

        async def guard(request: Request) -> Response:
            if not self._deps.public:
                session = read_session(
                    request.cookies.get(COOKIE), self._deps.clock.now(), self._deps.secrets
                )
                if session is None:
                    back = request.url.path.removeprefix(base_of(request))
                    where = "" if back in ("", "/") else f"?next={back}"
                    return RedirectResponse(f"{base_of(request)}/login{where}", 303)
                request.state.viewer = session.holder
            return await run_in_threadpool(page, request)

        return guard

    def show(self, request: Request) -> Response:
        """Ask for a token."""
        return self._form(request, request.query_params.get("next", ""))

    async def enter(self, request: Request) -> Response:
        """Take a token, give a session."""
        form = parse_qs((await _body(request)).decode("utf-8", "replace"))
        token, back = form.get("token", [""])[0].strip(), form.get("next", [""])[0]
        holder = await run_in_threadpool(self._deps.holder, token) if token else None
        if holder is None:
            return await run_in_threadpool(self._form, request, back, wrong=True)
        answer = RedirectResponse(f"{base_of(request)}{_inside(back)}", 303)
        answer.set_cookie(
            COOKIE,
            open_session(holder, self._deps.clock.now(), self._deps.secrets),
            max_age=int(LIFETIME.total_seconds()),
            path=base_of(request) or "/",
            secure=self._deps.secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    def leave(self, request: Request) -> Response:
        """End the session."""
        answer = RedirectResponse(f"{base_of(request)}/login", 303)
        answer.delete_cookie(COOKIE, path=base_of(request) or "/", httponly=True, samesite="lax")
        return answer

    def _form(self, request: Request, back: str, *, wrong: bool = False) -> Response:
        return self._pages(
            request, "login.html", status=403 if wrong else 200, back=_inside(back), wrong=wrong
        )

    def refused(self, request: Request, exc: Exception) -> Response:
        """Say that there is no such page."""
        assert isinstance(exc, HTTPException)
        return self._pages(request, "error.html", status=exc.status_code, message=exc.detail)

    def away(self, request: Request, _exc: Exception) -> Response:
        """Say that the database does not answer."""
        return self._pages(
            request,
            "error.html",
            status=503,
            message="The database does not answer, or has too much to do. Try again in a moment.",
        )


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


def _inside(path: str) -> str:
    """Return a path of ours: never another host."""
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if plain else "/"


async def _body(request: Request) -> bytes:
    read = b""
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAX_FORM:
            raise HTTPException(413, "That is longer than any token.")
    return read


def _file(name: str, media_type: str) -> Callable[[Request], Response]:
    content = files("engage.console").joinpath("static", name).read_bytes()

    def answer(_request: Request) -> Response:
        return Response(content, media_type=media_type, headers={"cache-control": _BRIEFLY})

    return answer
