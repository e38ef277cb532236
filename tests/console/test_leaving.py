"""Who signs out is out: in every process, with every copy of the session, and no other session is."""

import pytest

from engage.domain.access import Role
from engage.engine.operate import Operator
from engage.ports.storage import StorageAwayError
from tests.console.shop import NOON, TOKEN, Shop, after
from tests.console.test_pages import ask, carrying


def test_leaving_takes_the_cookie_away() -> None:
    answer = ask(Shop(public=False), "/logout", "POST")

    assert 'engage_console=""' in answer.headers["set-cookie"]


def test_leaving_ends_that_session_wherever_it_was_copied_to_and_no_other() -> None:
    shop = Shop(public=False)
    process, another = shop, Shop(public=False, store=shop.store)
    left, stays = (carrying(ask(process, "/login", "POST", data={"token": TOKEN})) for _ in range(2))
    before = [ask(one, "/", headers=left).status_code for one in (process, another)]

    ask(process, "/logout", "POST", headers=left)

    after_all = Shop(public=False, store=shop.store)
    assert before == [200, 200]
    assert [ask(one, "/", headers=left).status_code for one in (process, another, after_all)] == [303] * 3
    assert [ask(one, "/", headers=stays).status_code for one in (process, another, after_all)] == [200] * 3


def test_nothing_is_kept_of_who_leaves_with_a_cookie_that_opens_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, left = Shop(public=False), list[object]()
    carried = carrying(ask(shop, "/login", "POST", data={"token": TOKEN}))
    monkeypatch.setattr(shop.doors, "leave", lambda *said: left.append(said))
    forged = {"cookie": carried["cookie"][:-6] + "AAAAAA"}

    assert [ask(shop, "/logout", "POST", headers=with_).status_code for with_ in ({}, forged)] == [303] * 2
    assert left == []
    shop.clock.at = after(30 + 8.01)
    assert ask(shop, "/logout", "POST", headers=carried).status_code == 303
    assert left == []


def test_who_cannot_be_signed_out_is_told_and_not_left_to_believe_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StorageAwayError("no connection")

    shop = Shop(public=False)
    carried = carrying(ask(shop, "/login", "POST", data={"token": TOKEN}))
    monkeypatch.setattr(shop.doors, "leave", away)

    answer = ask(shop, "/logout", "POST", headers=carried)

    assert answer.status_code == 503
    assert "set-cookie" not in answer.headers


def test_a_user_ends_one_of_their_sessions() -> None:
    shop = Shop(public=False)
    shop.doors.add_user("bea@shop.example", Role.EDITOR, "correct horse battery", Operator("test", NOON))
    form = {"email": "bea@shop.example", "password": "correct horse battery"}
    here, there = (carrying(ask(shop, "/login", "POST", data=form)) for _ in range(2))

    ask(shop, "/logout", "POST", headers=here)

    assert [ask(shop, "/", headers=carried).status_code for carried in (here, there)] == [303, 200]
