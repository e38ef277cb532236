"""Guesses at passwords: ten are heard, however they come, and nobody else waits for those who guess."""

import asyncio
from datetime import timedelta
from threading import Event

import httpx
import pytest

from engage.domain.access import Role
from engage.engine.access import admit
from engage.engine.operate import Operator
from tests.console.shop import NOON, Shop
from tests.console.test_pages import ask

PASSWORD = "correct horse battery"


@pytest.fixture
def shop() -> Shop:
    shop = Shop(public=False)
    shop.doors.add_user("bea@shop.example", Role.EDITOR, PASSWORD, Operator("test", NOON))
    return shop


def enter(shop: Shop, password: str = PASSWORD) -> httpx.Response:
    return ask(shop, "/login", "POST", data={"email": "bea@shop.example", "password": password})


def test_ten_wrong_guesses_are_heard_and_then_none_for_ten_minutes(shop: Shop) -> None:
    for _ in range(10):
        assert enter(shop, "a wrong one").status_code == 403
    assert enter(shop).status_code == 403

    shop.clock.at += timedelta(minutes=10)

    assert enter(shop).status_code == 303


def test_ten_guesses_are_heard_of_however_many_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def matches(password: str, _stored: str) -> bool:
        tried.append(password)
        return False

    monkeypatch.setattr(admit, "matches", matches)

    async def at_once() -> None:
        form = {"email": "bea@shop.example", "password": "a wrong one"}
        await asyncio.gather(*(shop.ask("POST", "/login", data=form) for _ in range(20)))

    asyncio.run(at_once())
    assert len(tried) == 10


def test_a_right_password_ends_the_row_of_wrong_ones(shop: Shop) -> None:
    for _ in range(3):
        assert [enter(shop, "a wrong one").status_code for _ in range(9)] == [403] * 9
        assert enter(shop).status_code == 303


def test_who_waits_for_a_password_holds_up_nobody_else(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, go = Event(), Event()

    def slow(*_: object) -> None:
        looked.set()
        go.wait(20)

    async def at_once() -> tuple[int, list[int]]:
        form = {"email": "bea@shop.example", "password": "a wrong one"}
        entering = [asyncio.ensure_future(shop.ask("POST", "/login", data=form)) for _ in range(60)]
        await asyncio.to_thread(looked.wait, 20)
        async with asyncio.timeout(10):
            page = await shop.ask("GET", "/login")
        go.set()
        return page.status_code, [answer.status_code for answer in await asyncio.gather(*entering)]

    monkeypatch.setattr(shop.doors, "by_password", slow)

    assert asyncio.run(at_once()) == (200, [403] * 20 + [503] * 40)
