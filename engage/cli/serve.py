"""Serve: the API process, put together and run."""

import os
import signal

import structlog
import uvicorn

from engage.api.app import EngageApi, create_app
from engage.api.auth import WriteKeys
from engage.api.deps import ApiDeps
from engage.api.microbatch import MicroBatcher
from engage.bootstrap import Runtime, open_runtime
from engage.cli.bounded_http import BoundedHttp
from engage.console.app import mount_console
from engage.console.deps import ConsoleDeps
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.consent import ConsentDesk
from engage.engine.accept.intake import Intake
from engage.engine.access.admit import Admit
from engage.engine.receive import Receiver
from engage.settings import Settings, SettingsError
from engage.telemetry import configure_logging

log = structlog.get_logger(__name__)

CONNECTIONS = 8
SHUTDOWN_SECONDS = 5
IDLE_SECONDS = 75
"""After which an idle connection is closed: longer than proxies keep theirs (AWS's 60 s), which else send into one that is
just being closed, and longer than whoever was told to come back later waits."""


def api_deps(runtime: Runtime) -> ApiDeps:
    """Return what the HTTP face needs, from one process's engine."""
    settings = runtime.settings
    catalog = runtime.catalog
    intake = Intake(runtime.store, runtime.hints)
    return ApiDeps(
        store=runtime.store,
        reading=runtime.reading,
        intake=intake,
        acceptor=Acceptor(lambda: catalog().settings),
        receiver=Receiver(runtime.webhooks, catalog().settings.region, lambda: catalog().law),
        batcher=MicroBatcher(intake),
        keys=WriteKeys.of(settings.is_browser_key),
        tokens=runtime.admit,
        secrets=settings.secret_key,
        clock=runtime.clock,
        catalog=catalog,
        idempotency=runtime.idempotency,
        desk=ConsentDesk(runtime.store, runtime.hints, lambda: catalog().settings),
        members=runtime.members,
        public_url=settings.base_url,
        templates=runtime.templates,
        text_problem=runtime.compiled.text_problem,
        view=runtime.view,
        codes=runtime.codes,
        rooms=runtime.rooms,
        open_docs=bool(os.environ.get("ENGAGE_DEMO")),
    )


def console_deps(deps: ApiDeps, admit: Admit) -> ConsoleDeps:
    """Return what the console needs."""
    return ConsoleDeps(
        reading=deps.reading,
        catalog=deps.catalog,
        clock=deps.clock,
        doors=admit,
        secrets=deps.secrets,
        public=deps.open_docs,
        secure=deps.public_url.startswith("https:"),
    )


def serve(settings: Settings) -> None:
    """Run the API until SIGTERM or Ctrl-C; what was accepted by then is durable."""
    from workers.app import app as celery
    from workers.hints import CeleryHints

    configure_logging()
    if not settings.secret_key:
        raise SettingsError("ENGAGE_SECRET_KEY is not set; links could not be signed")
    host, port = settings.host_port
    with open_runtime(settings, hints=CeleryHints(celery), connections=CONNECTIONS) as runtime:
        deps = api_deps(runtime)
        app = create_app(deps)
        mount_console(app, console_deps(deps, runtime.admit))
        _run(uvicorn.Server(server_config(app, host, port)))


def server_config(app: EngageApi, host: str, port: int) -> uvicorn.Config:
    """Return how the application is served."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="auto",  # uvloop where it is; `run` below is what heeds this
        http=BoundedHttp,
        ws="none",
        lifespan="on",
        proxy_headers=False,  # nobody asks for a caller's address; signed URLs begin with the public one
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        backlog=2048,
    )


def _run(server: uvicorn.Server) -> None:
    """Serve until a signal, which is a normal end: uvicorn raises it once more when it has stopped, for us to hear."""

    def stop(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run()
