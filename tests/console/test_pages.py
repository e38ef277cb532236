"""Every page of the console says what it should, to whoever may read, and nothing a stranger wrote becomes markup."""

import asyncio
import re
from html import unescape
from typing import Any

import httpx
import pytest

from engage.domain.access import Role, Scope
from engage.domain.turn.changes import Changes
from engage.engine.operate import Operator
from engage.ports.reading import Totals
from engage.ports.storage import StorageAwayError
from engage.storage.memory.reading import MemoryReading
from engage.storage.memory.store import MemoryStore
from tests.console.shop import ADA, NOON, NUDGE, RUN, TEXT, TOKEN, Shop, after, event

EVERY_PAGE = (
    "/",
    "/journeys",
    "/journeys/abandoned-cart",
    "/journeys/abandoned-cart.svg",
    "/people",
    f"/people/{ADA}",
    "/deliveries",
    f"/deliveries/{NUDGE}",
    "/audiences",
    "/audiences/vip",
    "/queues",
    "/quarantine",
)


@pytest.fixture
def shop() -> Shop:
    return Shop().fill()


def ask(shop: Shop, path: str, method: str = "GET", **how: Any) -> httpx.Response:
    """Ask for one page."""
    return asyncio.run(shop.ask(method, path, **how))


def carrying(entered: httpx.Response) -> dict[str, str]:
    """Return the header with which a browser comes back after the login."""
    return {"cookie": entered.headers["set-cookie"].partition(";")[0]}


def words(answer: httpx.Response) -> str:
    """Return what a reader reads: no markup, single spaces."""
    assert answer.status_code == 200, answer.text
    main = answer.text.partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())


class TestShown:
    def test_the_overview_counts_journeys_and_channels(self, shop: Shop) -> None:
        page = words(ask(shop, "/"))

        assert "Abandoned cart 1 1 1 1 1 · · · not opted in 1" in page
        assert (
            "channel sent delivered opened clicked replied failed unknown skipped Email 1 1 1 1 · · ·" in page
        )
        assert "SMS · · · · · · · not opted in 1" in page
        assert "At rest: nothing is due." in page

    def test_an_empty_project_is_shown_too(self) -> None:
        for path in ("/", "/journeys", "/deliveries", "/queues", "/quarantine", "/journeys/abandoned-cart"):
            assert ask(Shop(), path).status_code == 200

    def test_a_journey_shows_its_steps_with_numbers(self, shop: Shop) -> None:
        page = words(ask(shop, "/journeys/abandoned-cart"))

        assert "nudge email cart/reminder 1 · 1" in page
        assert "text sms cart/nudge 1 · 1" in page
        assert "3 Wait 2 days 1 1 ·" in page
        assert "SMS skipped not opted in 1" in page
        assert page.index("nudge") < page.index("cart/nudge")

    def test_a_journey_has_a_picture(self, shop: Shop) -> None:
        answer = ask(shop, "/journeys/abandoned-cart.svg")

        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert answer.text.lstrip().startswith("<svg")
        assert "script" not in answer.text

    def test_a_delivery_is_shown_with_its_receipts(self, shop: Shop) -> None:
        page = words(ask(shop, f"/deliveries/{NUDGE}"))

        assert "Email cart/reminder clicked" in page
        assert "Delivered told by acme" in page
        assert "url = https://shop.example/cart" in page

    def test_a_refusal_is_explained(self, shop: Shop) -> None:
        page = words(ask(shop, f"/deliveries/{TEXT}"))

        assert "not_opted_in: nobody said yes to this topic on this address." in page

    @pytest.mark.parametrize(
        ("query", "shown"),
        [
            ("", {NUDGE, TEXT}),
            ("?channel=email", {NUDGE}),
            ("?status=skipped", {TEXT}),
            ("?journey=abandoned-cart&channel=sms&status=skipped", {TEXT}),
            ("?journey=another", set()),
        ],
    )
    def test_deliveries_are_filtered(self, shop: Shop, query: str, shown: set[str]) -> None:
        page = ask(shop, f"/deliveries{query}").text

        assert set(re.findall(r"/deliveries/([0-9a-f-]{36})", page)) == shown

    def test_audiences_are_shown_with_their_rule_and_who_is_in_them(self, shop: Shop) -> None:
        listed, inside = words(ask(shop, "/audiences")), ask(shop, "/audiences/vip")

        assert "vip Bought often. count('Order Completed') > 2 person 1" in listed
        assert "beta Filled by hand, by the API or by journeys. people 0" in listed
        assert f"/console/people/{ADA}" in inside.text
        assert "Nobody is in it." in words(ask(shop, "/audiences/beta"))

    def test_the_quarantine_says_what_is_wrong(self, shop: Shop) -> None:
        assert "malformed_json it ends early 1" in words(ask(shop, "/quarantine"))


class TestPerson:
    @pytest.mark.parametrize(
        "typed", ["ada", "ADA@shop.example ", "+1 415 555 0100", "user_id:ada", str(ADA)]
    )
    def test_a_person_is_found_by_whatever_names_them(self, shop: Shop, typed: str) -> None:
        answer = ask(shop, "/people", params={"q": typed})

        assert (answer.status_code, answer.headers["location"]) == (303, f"/console/people/{ADA}")

    def test_nobody_is_not_found(self, shop: Shop) -> None:
        answer = ask(shop, "/people", params={"q": "<script>"})

        assert answer.status_code == 404
        assert "&lt;script&gt;" in answer.text

    def test_the_timeline_tells_what_happened_newest_first(self, shop: Shop) -> None:
        page = words(ask(shop, f"/people/{ADA}"))
        told = [
            "Did not enter abandoned-cart: already_inside",
            "Skipped: not_opted_in (sms, promotions)",
            "abandoned-cart: if entry.total > 100 → true",
            "Email cart/reminder clicked",
            "Passcode Requested",
            "abandoned-cart: Wait 1 hour: until 1 Jul 2026, 13:00:00",
            "Entered abandoned-cart",
            "Cart Updated",
        ]

        assert [one for one in told if one not in page] == []
        assert [page.index(one) for one in told] == sorted(page.index(one) for one in told)

    def test_nothing_is_told_twice(self, shop: Shop) -> None:
        page = words(ask(shop, f"/people/{ADA}"))

        assert "Journey Entered" not in page
        assert "Accepted" not in page
        assert page.count("Entered abandoned-cart") == 1

    def test_the_events_alone_are_shown_as_they_came(self, shop: Shop) -> None:
        page = words(ask(shop, f"/people/{ADA}?show=events"))

        assert "Journey Entered" in page
        assert "cart/reminder" not in page

    def test_what_is_sensitive_is_covered(self, shop: Shop) -> None:
        page = words(ask(shop, f"/people/{ADA}"))

        assert "123456" not in page
        assert "4711" not in page
        assert "passcode = •••" in page

    def test_who_they_are_and_what_they_allowed_stands_beside(self, shop: Shop) -> None:
        page = words(ask(shop, f"/people/{ADA}"))

        assert "user_id ada email ada@shop.example phone +14155550100" in page
        assert "vip since" in page
        assert "subscribed Email, promotions ada@shop.example · by checkout" in page
        assert "SMS +14155550100 bounced" in page
        assert "abandoned-cart since" in page

    def test_nothing_they_wrote_becomes_markup(self, shop: Shop) -> None:
        shop.write(
            Changes(events=[event("<script>alert(1)</script>", 3, html="<img src=x onerror=alert(1)>")])
        )

        page = ask(shop, f"/people/{ADA}").text

        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;b&gt;Lovelace" in page

    def test_a_long_story_is_read_to_its_beginning(self, shop: Shop) -> None:
        shop.write(Changes(events=[event(f"Seen {n}", 3 + n / 100) for n in range(150)]))
        found: list[str] = []
        where = f"/people/{ADA}"
        while where:
            page = ask(shop, where).text
            found += re.findall(r"<p>(Seen \d+|Cart Updated)</p>", page)
            older = re.search(r'href="(\?[^"]+)" rel="next"', page)
            where = f"/people/{ADA}{older[1].replace('&amp;', '&')}" if older else ""

        assert found == [f"Seen {n}" for n in reversed(range(150))] + ["Cart Updated"]


class TestDoor:
    @pytest.mark.parametrize("path", EVERY_PAGE)
    def test_without_a_session_there_is_only_the_login(self, path: str) -> None:
        answer = ask(Shop(public=False).fill(), path)

        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/login")
        assert "ada" not in answer.text

    @pytest.mark.parametrize("path", EVERY_PAGE)
    def test_a_token_opens_every_page(self, path: str) -> None:
        shop = Shop(public=False).fill()
        entered = ask(shop, "/login", "POST", data={"token": TOKEN, "next": path})

        answer = ask(shop, path, headers=carrying(entered))

        assert entered.headers["location"] == f"/console{path}"
        assert answer.status_code == 200

    def test_the_cookie_is_for_the_console_alone(self) -> None:
        cookie = ask(Shop(public=False), "/login", "POST", data={"token": TOKEN}).headers["set-cookie"]

        assert {"HttpOnly", "Path=/console", "SameSite=lax"} <= set(cookie.split("; "))
        assert TOKEN not in cookie

    @pytest.mark.parametrize("token", ["", "a bad token", "x" * 4_000])
    def test_another_token_opens_nothing(self, token: str) -> None:
        answer = ask(Shop(public=False), "/login", "POST", data={"token": token})

        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers

    def test_a_login_has_an_end(self) -> None:
        assert ask(Shop(public=False), "/login", "POST", data={"token": "x" * 10_000}).status_code == 413

    def test_a_session_ends_by_itself(self) -> None:
        shop = Shop(public=False)
        entered = ask(shop, "/login", "POST", data={"token": TOKEN})
        shop.clock.at = after(30 + 8.01)

        assert ask(shop, "/", headers=carrying(entered)).status_code == 303

    @pytest.mark.parametrize(
        "back", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/x\ny"]
    )
    def test_nobody_is_sent_elsewhere_after_the_login(self, back: str) -> None:
        answer = ask(Shop(public=False), "/login", "POST", data={"token": TOKEN, "next": back})

        assert answer.headers["location"] == "/console/"


class TestUsers:
    PASSWORD = "correct horse battery"

    @pytest.fixture
    def shop(self) -> Shop:
        shop = Shop(public=False).fill()
        shop.doors.add_user("bea@shop.example", Role.EDITOR, self.PASSWORD, Operator("test", NOON))
        return shop

    def enter(self, shop: Shop, password: str = PASSWORD, email: str = "Bea@shop.example ") -> httpx.Response:
        return ask(shop, "/login", "POST", data={"email": email, "password": password})

    def test_a_password_opens_the_console(self, shop: Shop) -> None:
        assert ask(shop, "/people", headers=carrying(self.enter(shop))).status_code == 200

    @pytest.mark.parametrize("password", ["", "wrong horse battery", "x" * 3_000])
    def test_another_password_does_not(self, shop: Shop, password: str) -> None:
        answer = self.enter(shop, password)

        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers

    def test_a_removed_user_is_out_at_once(self, shop: Shop) -> None:
        carried = carrying(self.enter(shop))
        shop.doors.remove_user("bea@shop.example", Operator("test", NOON))

        assert ask(shop, "/", headers=carried).status_code == 303

    def test_another_password_ends_open_sessions(self, shop: Shop) -> None:
        carried = carrying(self.enter(shop))
        shop.doors.set_password("bea@shop.example", "another battery horse", Operator("test", NOON))

        assert ask(shop, "/", headers=carried).status_code == 303
        assert self.enter(shop, "another battery horse").status_code == 303

    def test_a_revoked_token_is_out_at_once(self, shop: Shop) -> None:
        by = Operator("test", NOON)
        made = shop.doors.create_token("bi", [Scope.PROFILES_READ], by)
        carried = carrying(ask(shop, "/login", "POST", data={"token": made.text}))
        before = ask(shop, "/", headers=carried).status_code
        shop.doors.revoke(made.token.id, by)

        assert (before, ask(shop, "/", headers=carried).status_code) == (200, 303)

    def test_a_token_that_may_not_read_profiles_opens_nothing(self, shop: Shop) -> None:
        made = shop.doors.create_token("hook", [Scope.JOURNEYS_START], Operator("test", NOON))

        assert ask(shop, "/login", "POST", data={"token": made.text}).status_code == 403

    def test_a_form_of_another_site_is_not_heard(self, shop: Shop) -> None:
        form = {"email": "bea@shop.example", "password": self.PASSWORD}
        for header in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
            assert ask(shop, "/login", "POST", data=form, headers=header).status_code == 403
        for header in ({"sec-fetch-site": "same-origin"}, {"origin": "http://shop.example"}):
            assert ask(shop, "/login", "POST", data=form, headers=header).status_code == 303


class TestSafety:
    @pytest.mark.parametrize("path", [*EVERY_PAGE, "/login", "/nothing"])
    def test_a_page_may_load_nothing_from_elsewhere(self, shop: Shop, path: str) -> None:
        answer = ask(shop, path)

        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        if not path.endswith(".svg"):
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert not re.search(
                r"<script(?![^>]* src=)|<style|style=|\son\w+=|https?://(?!shop\.)", answer.text
            )

    @pytest.mark.parametrize("path", EVERY_PAGE)
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    def test_nothing_here_changes_anything(self, shop: Shop, path: str, method: str) -> None:
        assert ask(shop, path, method).status_code == 405

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/nothing", 404),
            ("/journeys/unheard-of", 404),
            ("/audiences/unheard-of", 404),
            ("/audiences/vip?after=x", 400),
            ("/journeys/unheard-of.svg", 404),
            (f"/people/{RUN}", 404),
            ("/people/nobody", 404),
            (f"/deliveries/{RUN}", 404),
            ("/deliveries/x", 404),
            ("/deliveries?after=x", 400),
            ("/quarantine?after=x", 400),
            (f"/people/{ADA}?after=x", 400),
            (f"/people/{ADA}?after=é", 400),
        ],
    )
    def test_what_is_not_there_is_said_kindly(self, shop: Shop, path: str, status: int) -> None:
        answer = ask(shop, path)

        assert answer.status_code == status
        assert "To the overview" in answer.text

    def test_a_database_that_is_away_is_said_too(self) -> None:
        class Away(MemoryReading):
            def totals(self) -> Totals:
                raise StorageAwayError("no connection")

        answer = ask(Shop(reading=Away(MemoryStore())), "/")

        assert answer.status_code == 503
        assert "The database does not answer" in answer.text
