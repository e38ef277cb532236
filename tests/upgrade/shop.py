"""Shop: the engine of whatever release this runs under, worked by hand, with a post box for its provider's webhooks."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from engage.bootstrap import links_of  # type: ignore[attr-defined]  # where every release has it
from engage.cli.client import Client
from engage.cli.demo.story import Act
from engage.domain.consent.consent import ConsentState
from engage.domain.fact import Identifier, Start
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.consent import ConsentDesk, Wish
from engage.engine.accept.intake import Intake, Taken
from engage.engine.accept.requests import new_run_id, started
from engage.engine.canonical.call import Origin
from engage.engine.deliver.rendering import Requests
from engage.engine.receive import Receiver
from engage.engine.simulate import VirtualClock, World, WorldParts
from engage.ports.channel import Outbound, SignedRequest
from engage.ports.clock import NoHints
from engage.project.load import load_project


class Killed(BaseException):
    """The process dies here."""


class Post:
    """Where webhooks arrive."""

    def __init__(self) -> None:
        self.letters: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    def take_all(self) -> list[dict[str, Any]]:
        with self.lock:
            taken, self.letters = self.letters, []
        return taken


@contextmanager
def letter_box(post: Post) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with post.lock:
                post.letters.append({"path": self.path, "headers": headers, "body": body.hex()})
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Shop:
    """The shop under the old release."""

    def __init__(self, runtime: Any, clock: VirtualClock, sandbox: Client, post: Post, url: str) -> None:
        self.runtime, self.clock, self.sandbox, self.post, self.url = runtime, clock, sandbox, post, url
        self.dying = False
        self.told: dict[str, str] = {}
        self.noes: list[dict[str, str]] = []
        self.called: dict[str, datetime] = {}
        rules = load_project(Path()).settings
        self.intake = Intake(runtime.store, NoHints())
        self.acceptor = Acceptor(lambda: rules)
        self.desk = ConsentDesk(runtime.store, NoHints(), lambda: rules)
        self.receiver = Receiver(runtime.webhooks)
        self.world = World(
            WorldParts(
                store=runtime.store,
                clock=clock,
                catalog_of=runtime.compiled.catalog_of,
                renderer_of=runtime.compiled.renderer_of,
                senders={channel: Mortal(self, sender) for channel, sender in runtime.senders.items()},
                requests=Requests(links_of(runtime.settings)),
                worker=runtime.worker,
            )
        )

    def act(self, act: Act, number: int) -> None:
        now = self.clock.now()
        who = Identifier("user_id", act.person)
        match act.kind:
            case "identify" | "track":
                body: dict[str, Any] = {
                    "type": act.kind,
                    "userId": act.person,
                    "messageId": f"{act.kind}-{number}",
                }
                body |= {"traits": act.body} if act.kind == "identify" else act.body
                origin = Origin(source="shop", received_at=now, imported=False, rules=self.acceptor.rules())
                taken = self.acceptor.call(b"", body, origin)
                assert not taken.quarantined, taken
                self.intake.store(taken)
                if act.kind == "track":
                    self.told[body["messageId"]] = act.person
            case "subscribe":
                wish = Wish(person=who, state=ConsentState.SUBSCRIBED, source="checkout", **act.body)
                self.desk.change([wish], now)
            case "start":
                entry = {
                    **act.body["entry"],
                    "starts_at": (now + timedelta(hours=act.body.get("hours", 50))).isoformat(),
                }
                fact = Start(
                    message_id=f"start-{number}",
                    run=new_run_id(now),
                    journey=act.body["journey"],
                    person=who,
                    entry=entry,
                )
                self.intake.store(Taken((started(fact, now),)))
            case "sms":
                phone = f"+1415555{int(act.person[-3:]) + 99:04d}"
                body = {"channel": "sms", "from": phone, "to": self.runtime.settings.twilio_from, **act.body}
                self.sandbox.call("POST", "/_sandbox/inbound", body)
                self.noes.append({"address": phone, "at": now.isoformat()})

    def quiet(self) -> None:
        """Wait until the provider has told all it has to tell."""
        while True:
            stats = self.sandbox.call("GET", "/_sandbox/stats")
            if not stats["callbacks"]["pending"] and not stats["timers"]:
                return
            time.sleep(0.02)

    def rest(self) -> None:
        while True:
            self.world.rest()
            self.quiet()
            letters = self.post.take_all()
            for letter in letters:
                self.hear(letter)
            if not letters:
                return

    def hear(self, letter: dict[str, Any], came_to: str | None = None) -> None:
        url = urlsplit(letter["path"])
        request = SignedRequest(
            method="POST",
            url=f"{came_to or self.url}{letter['path']}",
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            headers=letter["headers"],
            body=bytes.fromhex(letter["body"]),
            received_at=self.clock.now(),
        )
        received = self.receiver.receive(url.path.removeprefix("/webhooks/"), request)
        assert received is not None, "a webhook with a bad signature"
        self.intake.store(received.taken)

    def until(self, instant: datetime) -> None:
        self.rest()
        while (due := self.world._next_due()) is not None and due <= instant:
            self.clock.move_to(due)
            self.rest()
        self.clock.move_to(instant)


class Mortal:
    """A sender whose process may die just before, or just after, the call."""

    def __init__(self, shop: Shop, sender: Any) -> None:
        self._shop, self._sender = shop, sender

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sender, name)

    def send(self, outbound: Outbound) -> Any:
        if self._shop.dying:
            raise Killed
        self._shop.called[outbound.delivery] = self._shop.clock.now()
        return self._sender.send(outbound)
