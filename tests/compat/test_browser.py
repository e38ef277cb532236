"""analytics.js, unmodified, in a real browser and through a wire that goes wrong: every message once."""

import http.server
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from engage.domain.fact import Identifier, Kind
from tests.compat.faults import Fault, FaultyWire
from tests.compat.installation import BROWSER, Installation
from tests.compat.installing import CLIENTS, node_clients
from tests.compat.test_servers import TROUBLE, number
from tests.sandbox.browser import QUIETLY
from tests.serving import Quiet, serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

COUNT = 24
PATIENCE = 150.0
SETTLED = 2.0


class Site:
    """A shop's own server: the page, and analytics.js as its package brings it."""

    def __init__(self, package: Path) -> None:
        self.errors: list[str] = []
        files = {
            "/": (CLIENTS / "page.html", "text/html"),
            "/index.js": (package / "dist" / "umd" / "index.js", "text/javascript"),
        }
        site = self

        class Handler(Quiet, http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, kind = files.get(self.path.partition("?")[0], (None, ""))
                self.send_response(200 if path else 404)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(path.read_bytes() if path else b"")

            def do_POST(self) -> None:
                site.errors.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(200)
                self.end_headers()

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    @contextmanager
    def open(self) -> Iterator["Site"]:
        """Serve for as long as the block runs."""
        with serving(self._server):
            yield self


def visit(chromium: Path, folder: Path, api: Installation, wire: FaultyWire) -> None:
    """Let a browser stay on the page until everything has arrived, and a moment longer."""
    package = node_clients() / "node_modules" / "@segment" / "analytics-next"
    with Site(package).open() as site:
        asked = urlencode({"cdnURL": wire.url, "writeKey": BROWSER, "count": COUNT})
        browser = subprocess.Popen(
            [str(chromium), *QUIETLY, f"--user-data-dir={folder}", f"{site.url}?{asked}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + PATIENCE
            while len(api.stored()) < COUNT and time.monotonic() < deadline and not site.errors:
                time.sleep(0.2)
            time.sleep(SETTLED)
        finally:
            browser.terminate()
            browser.wait(20)
        assert site.errors == []


def test_every_message_of_a_page_arrives_once_whatever_happens_on_the_way(
    chromium: Path, tmp_path: Path, api: Installation
) -> None:
    with api.wire(*TROUBLE).open() as wire:
        visit(chromium, tmp_path, api, wire)

    assert set(wire.met) == set(Fault)
    stored = api.stored()
    assert sorted(number(call) for call in stored) == list(range(COUNT))
    assert Counter(call.kind for call in stored) == dict.fromkeys(Kind, COUNT // 6)
    assert api.quarantined() == []
    assert all(call.browser for call in stored)


def test_a_page_asks_for_its_settings_and_sends_plain_text_to_the_short_paths(
    chromium: Path, tmp_path: Path, api: Installation
) -> None:
    with api.wire().open() as wire:
        visit(chromium, tmp_path, api, wire)

    asked = [path for method, path in wire.paths if method == "GET"]
    assert asked == [f"/v1/projects/{BROWSER}/settings"]
    posted = {path for method, path in wire.paths if method == "POST"} - {"/v1/m"}
    assert posted == {f"/v1/{letter}" for letter in "itpsga"}
    assert {kind.partition(";")[0] for kind in wire.types} == {"text/plain"}
    by_number = {number(call): call for call in api.stored()}
    assert Identifier("user_id", "user-0") in by_number[0].identifiers
    assert by_number[0].traits["first_name"] == "Ada"
    assert by_number[1].event == "Order Completed"
    assert by_number[4].group_id == "group-1"
    assert by_number[5].previous == Identifier("anonymous_id", "anonymous-5")
