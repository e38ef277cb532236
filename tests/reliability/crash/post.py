"""Post: where the sandbox's webhooks arrive and lie until a living process has taken them in."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.serving import Quiet, answering


class Post:
    """A letter box: one file a webhook, in the folder of the story that is under way."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.url = ""
        self._numbers = itertools.count()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        if self.folder is None:
            return
        name = f"{next(self._numbers):06}"
        letter = {"url": f"{self.url}{path}", "headers": headers, "body": body.hex()}
        (self.folder / f"{name}.new").write_text(json.dumps(letter))
        (self.folder / f"{name}.new").rename(self.folder / f"{name}.json")


@contextmanager
def letter_box() -> Iterator[Post]:
    post = Post()

    class Handler(Quiet, BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            post.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(204)
            self.end_headers()

    with answering(Handler) as post.url:
        yield post
