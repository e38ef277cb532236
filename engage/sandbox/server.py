"""Running the sandbox: in this process until a signal, or in a thread for tests."""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engage.sandbox.app import SandboxApp
from engage.sandbox.config import SandboxConfig
from engage.sandbox.state import Sandbox
from engage.sandbox.wire import RESET_EXTENSION

# Requests that hang by fault plan must not hold up the end of the process.
SHUTDOWN_SECONDS = 1
BACKLOG = 4096
# l_onoff, l_linger: closing sends RST instead of FIN.
RST_ON_CLOSE = struct.pack("ii", 1, 0)


class SandboxProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a way for the application to cut the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {RESET_EXTENSION: self._cut}  # type: ignore[dict-item]  # ASGI's own extensions are dicts

    def _cut(self) -> None:
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self.transport.abort()


class _Server(uvicorn.Server):
    """uvicorn, telling when it listens."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def _listen(config: SandboxConfig) -> tuple[socket.socket, SandboxConfig]:
    """Return the bound socket, and the configuration with the port it got."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.create_server((config.host, config.port), family=family, backlog=BACKLOG)
    return listener, replace(config, port=listener.getsockname()[1])


def _server(sandbox: Sandbox, on_ready: Callable[[], None]) -> _Server:
    config = uvicorn.Config(
        SandboxApp(sandbox),
        http=SandboxProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        backlog=BACKLOG,
    )
    return _Server(config, on_ready)


def _url(config: SandboxConfig) -> str:
    return (
        f"http://[{config.host}]:{config.port}"
        if ":" in config.host
        else f"http://{config.host}:{config.port}"
    )


def serve(config: SandboxConfig, on_ready: Callable[[str], None] | None = None) -> None:
    """Run the sandbox until SIGTERM or SIGINT, then stop cleanly; must be called from the main thread.

    `on_ready` is called with the sandbox's URL once it listens; port 0 takes a free one.

    Raises:
        OSError: the address is taken or not ours.
    """
    listener, config = _listen(config)
    server = _server(Sandbox(config), lambda: on_ready(_url(config)) if on_ready else None)

    def end(*_: object) -> None:
        server.should_exit = True

    # Until uvicorn hears signals itself, and when it raises one again once it has shut down: for us that is a normal end.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with listener:
        server.run([listener])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSandbox:
    """A sandbox in a thread: where it listens, and the key its event batches verify with."""

    url: str
    public_key: str


@contextlib.contextmanager
def running(config: SandboxConfig | None = None) -> Iterator[RunningSandbox]:
    """Run a sandbox in a thread for the length of a `with` block; port 0, the default here, takes a free one.

    Raises:
        OSError: the address is taken or not ours.
    """
    listener, config = _listen(config or SandboxConfig(port=0))
    ready = threading.Event()
    sandbox = Sandbox(config)
    server = _server(sandbox, ready.set)
    thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
    with listener:
        thread.start()
        ready.wait()
        try:
            yield RunningSandbox(url=_url(config), public_key=sandbox.signer.public_key)
        finally:
            server.should_exit = True
            thread.join()
