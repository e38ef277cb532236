"""A real Chromium that a test steers over a pipe (the DevTools protocol): it looks, clicks with the mouse, and types."""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

SECONDS = 30.0
QUIETLY = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
"""What every Chromium of a test is told: no window, no account, and nobody to call home to."""
FLAGS = (
    *QUIETLY,
    "--window-size=1200,900",
    "--remote-debugging-pipe",
    "about:blank",
)


class NavigatedError(Exception):
    """The page went away while it was asked something."""


class Browser:
    """One page of it."""

    def __init__(self, to: BinaryIO, back: BinaryIO) -> None:
        self._to, self._back = to, back
        self._count, self._rest = 0, b""
        self._session: str | None = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = str(self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._count += 1
        command: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        self._to.write(json.dumps(command).encode() + b"\0")
        self._to.flush()
        end = time.monotonic() + SECONDS
        while True:
            message = self._next(end)
            if message.get("id") == self._count:
                if "error" in message:
                    raise NavigatedError(message["error"])
                result: dict[str, Any] = message["result"]
                return result
            self._listen(message)

    def _listen(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Log.entryAdded":
            entry = message["params"]["entry"]
            if entry["level"] == "error":
                self.complaints.append(str(entry["text"]))

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            waiting = select.poll()
            waiting.register(self._back, select.POLLIN)
            assert waiting.poll(1000 * max(0.0, end - time.monotonic())), "the browser does not answer"
            self._rest += os.read(self._back.fileno(), 1 << 20)
        raw, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        return message

    def value(self, expression: str) -> Any:
        """Return what a script says about the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, url: str) -> None:
        """Go to a page and wait for it."""
        self.ask("Page.navigate", url=url)
        self.until(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url[:40])})")

    def until(self, expression: str) -> None:
        """Wait until a script says yes."""
        end = time.monotonic() + SECONDS
        while True:
            with suppress(NavigatedError):
                if self.value(expression):
                    return
            assert time.monotonic() < end, f"never: {expression}"
            time.sleep(0.02)

    def text(self) -> str:
        """Return what a reader sees."""
        return str(self.value("document.body.innerText"))

    def reads(self, words: str) -> None:
        """Wait until the page says this, reloading as a person would."""
        end = time.monotonic() + SECONDS
        while words not in self.text():
            assert time.monotonic() < end, self.text()
            time.sleep(0.2)
            self.ask("Page.reload")
            self.until("document.readyState === 'complete'")

    def click(self, selector: str) -> None:
        """Move the mouse to an element and press its button; wait for the page that follows."""
        where = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " window.stale = true; return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        assert where, f"nothing is {selector} on the page: {self.text()}"
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.ask(
                "Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1
            )

    def follow(self, selector: str) -> None:
        """Click on what leads to a page, and wait for it."""
        self.click(selector)
        self.until("!window.stale && document.readyState === 'complete'")

    def type(self, selector: str, words: str) -> None:
        """Click into a field and type."""
        self.click(selector)
        self.ask("Input.insertText", text=words)

    def picture(self, path: Path) -> bytes:
        """Return a picture of the page, kept at `path`."""
        data = base64.b64decode(self.ask("Page.captureScreenshot")["data"])
        path.write_bytes(data)
        return data


@contextmanager
def browsing(program: Path, profile: Path) -> Iterator[Browser]:
    """Start a Chromium for the length of a `with` block."""
    command_in, command_out = os.pipe()
    answer_in, answer_out = os.pipe()
    # Chromium reads commands from descriptor 3 and answers on 4, whatever ours are.
    into_place = f"import os, sys; os.dup2({command_in}, 3); os.dup2({answer_out}, 4); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", into_place, str(program), f"--user-data-dir={profile}", *FLAGS],
        pass_fds=(command_in, answer_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(command_in)
    os.close(answer_out)
    with os.fdopen(command_out, "wb") as to, os.fdopen(answer_in, "rb", buffering=0) as back:
        try:
            yield Browser(to, back)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
