"""The links in our messages: opening one changes nothing, one click says no, and nobody leads anywhere but where we signed."""

import re

import pytest

from engage.domain.consent.consent import EVERY_TOPIC, ConsentState
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.fact import ConsentGiven, Identifier, Receipt
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.links.short_link import ShortLink, short_id
from engage.domain.links.token import Confirm, LinkToken, Opened, Preferences, TrackedLink, Viewed, make_token
from engage.domain.profile.profile import Profile
from engage.domain.turn.changes import Changes
from tests.api.world import NOW, SECRETS, Client, World

MAIL = "ada@shop.example"
DELIVERY = DeliveryId("019ca945-0a00-71df-b438-2f9007a7c4a0")
ADA = ProfileId("019ca945-0a00-71df-b438-00000000ada0")
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def link(token: LinkToken) -> str:
    return make_token(token, SECRETS)


def preferences(topic: str | None = "promotions") -> str:
    return "/u/" + link(Preferences(channel="email", address=MAIL, topic=topic, delivery=DELIVERY))


def state(world: World, topic: str, channel: str = "email", address: str = MAIL) -> ConsentState | None:
    return world.consents(channel, address).by_address.get((channel, address, topic))


@pytest.mark.parametrize("path", ["/u/", "/c/", "/l/", "/v/"])
@pytest.mark.parametrize("token", ["x", "AAAA", link(Opened(delivery=DELIVERY, lane=1))])
def test_a_link_that_is_not_ours_leads_nowhere(client: Client, path: str, token: str) -> None:
    answer = client.get(path + token)

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_link")


@pytest.fixture
def short(world: World) -> str:
    """A link in an SMS to Ada."""
    delivery = Delivery(
        id=DELIVERY, profile=ADA, lane=9, channel=Channel.SMS, topic=None, asked_at=NOW, due_at=None
    )
    kept = ShortLink(
        id=short_id(DELIVERY, "https://shop.example/ä", SECRETS[0]),
        delivery=DELIVERY,
        profile=ADA,
        url="https://shop.example/ä",
        created_at=NOW,
    )
    with world.store.transaction() as tx:
        tx.deliveries.save([delivery])
        tx.links.add([kept])
    return kept.id


class TestShortLinks:
    def test_a_click_leads_to_the_target_and_is_kept(self, client: Client, world: World, short: str) -> None:
        answer = client.get(f"/l/{short}", headers={"user-agent": "Mozilla/5.0 (iPhone) Safari/604.1"})

        assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example/%C3%A4")
        (fact,) = world.facts()
        assert isinstance(fact, Receipt)
        assert (fact.delivery, fact.mark, fact.url, fact.link_id) == (
            DELIVERY,
            Mark.CLICKED,
            "https://shop.example/ä",
            short,
        )

    @pytest.mark.parametrize(
        ("method", "headers"),
        [
            ("HEAD", {}),
            ("GET", {"user-agent": "facebookexternalhit/1.1"}),
            ("GET", {"user-agent": "WhatsApp/2.23.20.0 A"}),
            ("GET", {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}),
            ("GET", {"user-agent": "Mozilla/5.0", "sec-purpose": "prefetch;prerender"}),
            ("GET", {"user-agent": "Mozilla/5.0", "purpose": "preview"}),
        ],
    )
    def test_a_look_ahead_is_led_on_and_is_no_click(
        self, client: Client, world: World, short: str, method: str, headers: dict[str, str]
    ) -> None:
        assert client.request(method, f"/l/{short}", headers=headers).status_code == 302
        assert world.facts() == []

    def test_a_link_that_nobody_made_leads_nowhere(self, client: Client, short: str) -> None:
        other = short[::-1] if short[::-1] != short else "0" * 11

        assert client.get(f"/l/{other}").status_code == 404


class TestPreferences:
    def test_a_get_never_changes_anything(self, client: Client, world: World) -> None:
        for path in (preferences(), preferences() + "?List-Unsubscribe=One-Click"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/html")
        assert (world.facts(), world.consents("email", MAIL).by_address) == ([], {})

    def test_one_click_takes_the_topic_off(self, client: Client, world: World) -> None:
        assert client.post(preferences(), data=ONE_CLICK).status_code == 200

        assert state(world, "promotions") is ConsentState.UNSUBSCRIBED
        assert state(world, EVERY_TOPIC) is None
        (fact,) = world.facts()
        assert isinstance(fact, ConsentGiven)
        assert fact.person == Identifier("email", MAIL)

    def test_one_click_without_a_topic_takes_the_channel_off(self, client: Client, world: World) -> None:
        client.post(preferences(None), data=ONE_CLICK)

        assert state(world, EVERY_TOPIC) is ConsentState.UNSUBSCRIBED

    def test_one_click_may_come_as_multipart(self, client: Client, world: World) -> None:
        client.post(preferences(), files={"List-Unsubscribe": (None, "One-Click")})

        assert state(world, "promotions") is ConsentState.UNSUBSCRIBED

    def test_one_click_twice_is_as_once(self, client: Client, world: World) -> None:
        for _ in range(2):
            assert client.post(preferences(), data=ONE_CLICK).status_code == 200

        assert state(world, "promotions") is ConsentState.UNSUBSCRIBED

    def test_the_form_says_yes_to_ticks_and_no_to_the_rest(self, client: Client, world: World) -> None:
        answer = client.post(preferences(), data={"email.newsletter": "on"})

        assert answer.status_code == 200
        assert state(world, "newsletter") is ConsentState.SUBSCRIBED
        assert state(world, "promotions") is ConsentState.UNSUBSCRIBED

    def test_the_page_shows_what_is_so(self, client: Client) -> None:
        def boxes() -> dict[str, bool]:
            page = client.get(preferences()).text
            return {
                name: bool(on)
                for name, on in re.findall(r'<input type="checkbox" name="([^"]+)"( checked)?', page)
            }

        assert boxes() == {"email.newsletter": False, "email.promotions": True}
        client.post(preferences(), data={"email.newsletter": "on"})
        assert boxes() == {"email.newsletter": True, "email.promotions": False}

    def test_a_persons_other_channels_are_on_the_page(self, client: Client, world: World) -> None:
        names = [Identifier("email", MAIL), Identifier("phone", "+14155550101")]
        ada = Profile(id=ADA, bucket_key="b", created_at=NOW, lane=1, identifiers=names)
        with world.store.transaction() as tx:
            tx.write(Changes(profiles={ADA: ada}, identifiers=[(name, ADA) for name in names]))

        client.post(preferences(), data={"sms.promotions": "on", "email.promotions": "on"})

        assert state(world, "promotions", "sms", "+14155550101") is ConsentState.SUBSCRIBED

    def test_the_page_loads_nothing_and_tells_nobody_where_it_came_from(self, client: Client) -> None:
        answer = client.get(preferences())

        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "<script" not in answer.text


class TestConfirm:
    PATH = "/c/" + link(Confirm(channel="email", address=MAIL, topic="newsletter"))

    def test_a_get_never_confirms(self, client: Client, world: World) -> None:
        assert "News" in client.get(self.PATH).text
        assert (world.facts(), state(world, "newsletter")) == ([], None)

    def test_the_button_subscribes(self, client: Client, world: World) -> None:
        assert client.post(self.PATH).status_code == 200
        assert state(world, "newsletter") is ConsentState.SUBSCRIBED

    def test_confirming_opens_a_closed_channel_for_that_topic_alone(
        self, client: Client, world: World
    ) -> None:
        client.post(preferences(None), data=ONE_CLICK)

        client.post(self.PATH)

        assert state(world, "newsletter") is ConsentState.SUBSCRIBED
        assert state(world, "promotions") is ConsentState.UNSUBSCRIBED


class TestTrackedLinks:
    def test_a_click_is_kept_and_leads_to_the_signed_target(self, client: Client, world: World) -> None:
        url = "https://shop.example/cart?a=1%20&b=ü€\r\n#x"
        token = link(TrackedLink(delivery=DELIVERY, lane=5, url=url, link_id="2"))

        answer = client.get(f"/l/{token}?url=https://evil.example")

        assert answer.status_code == 302
        assert answer.headers["location"] == "https://shop.example/cart?a=1%20&b=%C3%BC%E2%82%AC%0D%0A#x"
        (click,) = world.facts()
        assert isinstance(click, Receipt)
        assert (click.delivery, click.mark, click.url, click.link_id) == (DELIVERY, Mark.CLICKED, url, "2")

    @pytest.mark.parametrize(
        "url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/relative"]
    )
    def test_only_the_web_is_led_to(self, client: Client, url: str) -> None:
        assert client.get("/l/" + link(TrackedLink(delivery=DELIVERY, lane=5, url=url))).status_code == 404

    def test_every_click_counts(self, client: Client, world: World) -> None:
        token = link(TrackedLink(delivery=DELIVERY, lane=5, url="https://shop.example/"))

        for _ in range(2):
            client.get(f"/l/{token}")

        assert len(world.facts()) == 2


class TestOpens:
    def test_an_open_is_kept(self, client: Client, world: World) -> None:
        answer = client.get(f"/o/{link(Opened(delivery=DELIVERY, lane=5))}.gif")

        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        (fact,) = world.facts()
        assert isinstance(fact, Receipt)
        assert (fact.mark, fact.delivery) == (Mark.OPENED, DELIVERY)

    def test_the_picture_comes_for_any_token(self, client: Client, world: World) -> None:
        assert client.get("/o/nonsense.gif").status_code == 200
        assert world.facts() == []


def test_a_message_that_is_no_longer_kept_is_said_to_be_gone(client: Client) -> None:
    answer = client.get("/v/" + link(Viewed(delivery=DELIVERY)))

    assert (answer.status_code, answer.json()["code"]) == (404, "gone")
