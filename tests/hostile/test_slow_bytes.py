"""Bytes whose reading would take the square of their length: whoever sends them waits no longer than others."""

import gzip
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from engage.api.bodies import unzipped
from engage.api.inputs import MAX_LIST_BODY
from engage.cli.serve import console_deps
from engage.console.app import mount_console
from engage.console.session import COOKIE
from engage.engine.canonical.split import MAX_BODY
from engage.project.proofs.law import _plain as words_of_text
from engage.project.scenario.values import answer
from tests.api.world import ADMIN, SERVER, Client, World, basic, bearer, calling
from tests.channels.test_sendgrid_webhooks import MAIL, event, form, read, webhook

MOST_SECONDS = 2.0
"""CPU; what is linear takes a tenth of it on a slow machine, what is not takes minutes."""
LONG = 1_000_000


@pytest.fixture
def client() -> Iterator[Client]:
    with calling(World()) as client:
        yield client


def soon(work: Callable[[], Any]) -> Any:
    started = time.process_time()
    done = work()
    assert time.process_time() - started < MOST_SECONDS
    return done


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/v1/import"])
@pytest.mark.parametrize("deep", [b"[" * 3_000, b'{"batch":[' + b'{"a":' * 3_000], ids=["list", "batch"])
def test_a_text_that_never_ends_behind_what_is_too_deep(client: Client, path: str, deep: bytes) -> None:
    body = deep + b'"' + b'\\"' * ((MAX_BODY - len(deep)) // 2 - 1)

    answer = soon(lambda: client.request("POST", path, content=body, headers=basic(SERVER)))

    assert answer.status_code in (200, 400)


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/v1/deliveries", "/u/x"])
def test_a_body_that_is_zipped_in_many_pieces(client: Client, path: str) -> None:
    piece = gzip.compress(b"")
    body = piece * (MAX_LIST_BODY // len(piece))

    answer = soon(lambda: client.request("POST", path, content=body, headers=bearer(ADMIN)))

    assert answer.status_code in (400, 413)


def test_zipped_pieces_are_one_body_wherever_they_end() -> None:
    texts = [random.Random(n).randbytes(n * 997) for n in range(60)]
    body = b"".join(map(gzip.compress, texts))

    assert unzipped(body, b"gzip", len(body)) == b"".join(texts)
    assert unzipped(body + b"and more", b"gzip", len(body)) == b"".join(texts)


@pytest.mark.parametrize(
    "cookie", ['x="' + "\\" * 60_000 + '"', f'{COOKIE}="' + '\\"' * 30_000 + '"', "x" + ";" * 60_000]
)
@pytest.mark.parametrize(
    "path", ["/healthz", "/u/x", "/v1/status", "/v1/track", "/console/", "/console/login", "/nothing"]
)
def test_a_cookie_of_backslashes(path: str, cookie: str) -> None:
    world = World()
    mount_console(world.app, console_deps(world.deps, world.admit))
    with calling(world) as client:
        answer = soon(lambda: client.get(path, headers={"cookie": cookie}))

    assert answer.status_code < 500


@pytest.mark.parametrize("dots", [900, 5_000, 30_000])
def test_a_pixel_with_a_name_of_many_dots_is_a_picture(client: Client, dots: int) -> None:
    answer = soon(lambda: client.get(f"/v1/pixel/track?{'.'.join(['a'] * dots)}=1"))

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")


def test_a_mail_servers_answer_without_spaces() -> None:
    bounced = event("bounce", reason="a" * LONG, status="5.1.1", type="bounce")

    heard = soon(lambda: read(bounced))

    assert len(heard.receipts) == 1


HTML = (b"<" * LONG, b"<a " * (LONG // 3), b"&" * LONG, b"<!--" * (LONG // 4))


@pytest.mark.parametrize("html", HTML, ids=lambda html: repr(html[:4]))
def test_a_mail_of_brackets_is_read(html: bytes) -> None:
    fields = {name: text for name, text in MAIL.items() if name != "text"} | {"html": html}
    whole = MAIL | {"email": b"From: a@b.c\nContent-Type: text/html\n\n" + html}

    for given in (fields, whole):
        heard = soon(partial(webhook("sendgrid/inbound").read, form(given)))
        assert len(heard.inbound) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"To: " + b"," * LONG,
        b"To: " + b"a@b.c, " * (LONG // 7),
        b"To: " + b"(" * LONG,
        b"Subject: " + b"=?utf-8?q?a?= " * (LONG // 14),
        b"Subject: " + b"=?utf-8?q?" * (LONG // 10),
        b"Subject: =?punycode?q?a-" + b"ab" * (LONG // 2) + b"?=",
        b"Content-Type: text/plain; charset=punycode",
        b"References: " + b"<a@b> " * (LONG // 6),
        b"X: y\r\n" * (LONG // 6),
    ],
    ids=lambda head: repr(head[:24]),
)
def test_a_whole_mail_with_long_headers_is_read(head: bytes) -> None:
    mail = head.strip() + b"\r\nMessage-ID:\r\n <1@b>\r\n\r\n" + b"ab-" + b"ab" * (LONG // 2)

    heard = soon(lambda: webhook("sendgrid/inbound").read(form(MAIL | {"email": mail})))

    assert [one.message_id for one in heard.inbound] == ["<1@b>"]


@pytest.mark.parametrize("kind", ["Content-Type: text/plain; ", "content-disposition: inline;\r\n "])
@pytest.mark.parametrize("parameter", ["a=b; ", "filename*0=a;", "boundary=a;\r\n "])
def test_a_whole_mail_with_endless_parameters_is_put_aside(kind: str, parameter: str) -> None:
    mail = (kind + parameter * (LONG // len(parameter))).strip() + "\r\n\r\nhello"

    heard = soon(lambda: webhook("sendgrid/inbound").read(form(MAIL | {"email": mail.encode()})))

    assert [reason for reason, _ in heard.quarantined] == ["unreadable"]


def test_a_mail_in_a_character_set_of_pythons_own_is_read() -> None:
    fields = MAIL | {"charsets": b'{"text": "punycode"}', "text": b"stop-" + b"ab" * LONG}

    heard = soon(lambda: webhook("sendgrid/inbound").read(form(fields)))

    assert heard.inbound[0].body.startswith("stop-abab")


def test_a_mail_of_a_thousand_parts_is_put_aside_and_one_with_many_attachments_is_not() -> None:
    parts = {f"attachment{number}": b"x" for number in range(50)}
    some, many = form(MAIL | parts), form(MAIL | {f"p{number}": b"" for number in range(30_000)})

    assert len(soon(lambda: webhook("sendgrid/inbound").read(some)).inbound) == 1
    assert [reason for reason, _ in soon(lambda: webhook("sendgrid/inbound").read(many)).quarantined] == [
        "unreadable"
    ]


@pytest.mark.parametrize("mark", ["<", "< ", "<a"])
def test_a_text_of_marks_that_are_not_closed_is_read_in_time(mark: str) -> None:
    soon(lambda: words_of_text(mark * 100_000))


def test_an_answer_of_a_scenario_with_blanks_without_end_is_read_in_time() -> None:
    with pytest.raises(ValueError, match="answer"):
        soon(lambda: answer("retry" + " " * 100_000 + "\nx"))
