"""The door: who comes in, by password or token, what their role lets them see, and that it is the console itself that asks."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from engage.console.deps import ConsoleDeps
from engage.console.rendering import Pages, base_of
from engage.console.session import COOKIE, LIFETIME, Session, cookie_in, open_session, read_session
from engage.domain.access import Role, Viewer

MAX_FORM = 4_096
"""Bytes of a login."""
AT_ONCE = 2
"""Passwords that are looked at together; each takes a quarter of a second."""
MAX_WAITING = 20
"""Passwords that wait for it, those included."""


class Door:
    """Lets people in who have a password or hold a token, and says what went wrong."""

    def __init__(self, deps: ConsoleDeps, pages: Pages) -> None:
        """Let in whom `deps` know."""
        self._deps, self._pages = deps, pages
        self._turns, self._waiting = asyncio.Semaphore(AT_ONCE), 0

    def guarded(
        self, page: Callable[[Request], Response], least: Role = Role.VIEWER
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the page behind the login, for whoever has at least this role."""

        async def guard(request: Request) -> Response:
            if request.method != "GET" and not _our_own(request):
                raise HTTPException(403, "This was sent from another site; open the console itself.")
            role: Role | None = Role.ADMIN
            if not self._deps.public:
                viewer = await run_in_threadpool(self._viewer, request)
                if viewer is None:
                    return _to_login(request)
                request.state.viewer, role = viewer.name, viewer.role
            if role is None or not role.includes(least):
                raise HTTPException(403, f"This needs the role {least}; an admin gives it.")
            request.state.role = role
            return await run_in_threadpool(page, request)

        return guard

    def _viewer(self, request: Request) -> Viewer | None:
        session = self._session(request)
        # Asked each time: who was removed, whose token was revoked, or what was left, is out at once.
        return None if session is None else self._deps.doors.still(session.holder, session.mark, session.id)

    def _session(self, request: Request) -> Session | None:
        cookie = cookie_in(request.headers.get("cookie"))
        return read_session(cookie, self._deps.clock.now(), self._deps.secrets)

    def show(self, request: Request) -> Response:
        """Ask who it is."""
        return self._form(request, request.query_params.get("next", ""))

    async def enter(self, request: Request) -> Response:
        """Take a password or a token, give a session."""
        form = parse_qs((await _body(request)).decode("utf-8", "replace"))
        email, password, token, back = (
            form.get(name, [""])[0] for name in ("email", "password", "token", "next")
        )
        if not _our_own(request):
            raise HTTPException(403, "This was sent from another site; open the console itself.")
        viewer = await (self._by_token(token.strip()) if token else self._by_password(email, password))
        if viewer is None:
            return await run_in_threadpool(self._form, request, back, wrong=True)
        answer = RedirectResponse(f"{base_of(request)}{_inside(back)}", 303)
        answer.set_cookie(
            COOKIE,
            open_session(viewer.name, self._deps.clock.now(), self._deps.secrets, viewer.mark),
            max_age=int(LIFETIME.total_seconds()),
            path=base_of(request) or "/",
            secure=self._deps.secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    async def _by_token(self, token: str) -> Viewer | None:
        return await run_in_threadpool(self._deps.doors.by_token, token)

    async def _by_password(self, email: str, password: str) -> Viewer | None:
        if not (email and password):
            return None
        if self._waiting >= MAX_WAITING:
            raise HTTPException(503, "Too many people sign in just now. Try again in a moment.")
        self._waiting += 1
        try:
            # Who waits takes no thread: the pages of everybody else need them.
            async with self._turns:
                now = self._deps.clock.now()
                return await run_in_threadpool(self._deps.doors.by_password, email, password, now)
        finally:
            self._waiting -= 1

    def leave(self, request: Request) -> Response:
        """End the session, and copies of it."""
        if not _our_own(request):
            raise HTTPException(403, "This was sent from another site; open the console itself.")
        session = self._session(request)
        if session is not None:
            self._deps.doors.leave(session.id, datetime.fromtimestamp(session.until, UTC))
        answer = RedirectResponse(f"{base_of(request)}/login", 303)
        answer.delete_cookie(COOKIE, path=base_of(request) or "/", httponly=True, samesite="lax")
        return answer

    def _form(self, request: Request, back: str, *, wrong: bool = False) -> Response:
        return self._pages(
            request, "login.html", status=403 if wrong else 200, back=_inside(back), wrong=wrong
        )

    def refused(self, request: Request, exc: Exception) -> Response:
        """Say that there is no such page, or not for this reader."""
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

    def unheard_of(self, request: Request, _exc: Exception) -> Response:
        """Say that the database has no such text: U+0000 is in one."""
        message = "There is no such text in any database; look at what was typed."
        return self._pages(request, "error.html", status=400, message=message)


def _to_login(request: Request) -> Response:
    back = request.url.path.removeprefix(base_of(request))
    where = "" if back in ("", "/") or request.method != "GET" else f"?next={back}"
    return RedirectResponse(f"{base_of(request)}/login{where}", 303)


def _our_own(request: Request) -> bool:
    """Whether a page of ours sent this: browsers say where a form came from, and what says nothing is no browser."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


def _inside(path: str) -> str:
    """Return a path of ours: never another host."""
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if plain else "/"


async def _body(request: Request) -> bytes:
    read = b""
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAX_FORM:
            raise HTTPException(413, "That is longer than any password or token.")
    return read
