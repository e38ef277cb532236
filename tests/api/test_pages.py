"""The pages behind our links: their language, their colours, and what they never let in."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engage.api.page_words import WORDS, language_of
from engage.domain.consent.consent import EVERY_TOPIC, ConsentState
from engage.domain.fact import Identifier
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.links.token import Confirm, LinkToken, Preferences, make_token
from engage.domain.profile.profile import Profile
from engage.domain.project_settings import PagesForm
from engage.domain.turn.changes import Changes
from tests.api.world import NOW, SECRETS, SETTINGS, Client, World, calling

ADA = ProfileId("019ca945-0a00-71df-b438-00000000ada0")
DELIVERY = DeliveryId("019ca945-0a00-71df-b438-2f9007a7c4a0")
MAIL = "ada@shop.example"
BROWSER = {"accept": "text/html,application/xhtml+xml"}


def link(token: LinkToken) -> str:
    return make_token(token, SECRETS)


CHOICES = "/u/" + link(Preferences(channel="email", address=MAIL, topic="promotions", profile=ADA))
CONFIRM = "/c/" + link(
    Confirm(channel="email", address=MAIL, topic="newsletter", profile=ADA, delivery=DELIVERY)
)


def known(world: World, **traits: object) -> None:
    names = [Identifier("email", MAIL)]
    ada = Profile(id=ADA, bucket_key="b", created_at=NOW, lane=1, identifiers=names, traits=dict(traits))
    with world.store.transaction() as tx:
        tx.write(Changes(profiles={ADA: ada}, identifiers=[(name, ADA) for name in names]))


@pytest.mark.parametrize(
    ("own", "accepted", "project", "language"),
    [
        ("de-CH", "fr", "en", "de"),
        ("de_AT", "", "en", "de"),
        (None, "pt, fr-CA;q=0.8, de;q=0.9", "en", "de"),
        ("pt", "fr;q=0, es", "en", "es"),
        (7, "*", "fr", "fr"),
        (None, "", "nl", "en"),
    ],
)
def test_a_page_speaks_as_the_person_then_the_browser_then_the_project_does(
    own: object, accepted: str, project: str, language: str
) -> None:
    assert language_of(own, accepted, project) == language


@given(st.text(), st.text())
def test_no_header_is_an_accident(own: str, accepted: str) -> None:
    assert language_of(own, accepted, "en") in WORDS


def test_every_language_says_everything() -> None:
    for language, words in WORDS.items():
        said = {name: getattr(words, name) for name in words.__slots__}
        channels = said.pop("channels")
        assert all(said.values()), language
        assert set(channels) == {"email", "sms", "whatsapp", "voice", "chat"}
        assert ("{topic}" in words.question, "{channel}" in words.question) == (True, True)
        assert "{address}" in words.about


class TestLanguage:
    def test_the_persons_own_language_outweighs_the_browsers(self, client: Client, world: World) -> None:
        known(world, locale="de-DE")

        for path in (CHOICES, CONFIRM):
            assert '<html lang="de">' in client.get(path, headers={"accept-language": "fr"}).text

    def test_a_strangers_language_is_the_browsers(self, client: Client) -> None:
        assert '<html lang="es">' in client.get(CHOICES, headers={"accept-language": "es-MX"}).text
        assert '<html lang="fr">' in client.post(CONFIRM, headers={"accept-language": "fr"}).text

    def test_a_topic_speaks_it_too_where_the_project_has_the_words(self) -> None:
        offers = {"title": "Offers", "email": "opt_out", "translations": {"de": {"title": "Angebote"}}}
        with calling(World({**SETTINGS, "topics": {"promotions": offers}})) as client:
            assert "Angebote" in client.get(CHOICES, headers={"accept-language": "de"}).text
            assert "Offers" in client.get(CHOICES, headers={"accept-language": "fr"}).text


class TestLeaving:
    def test_one_button_leaves_everything(self, client: Client, world: World) -> None:
        client.post(CHOICES, data={"email.newsletter": "on", "email.promotions": "on"})

        answer = client.post(CHOICES, data={"leave": "all", "email.newsletter": "on"})

        assert "You are unsubscribed from everything." in answer.text
        states = world.consents("email", MAIL).by_address
        assert set(states.values()) == {ConsentState.UNSUBSCRIBED}
        assert ("email", MAIL, EVERY_TOPIC) not in states

    def test_a_confirmation_keeps_the_message_it_came_by_as_proof(self, client: Client, world: World) -> None:
        client.post(CONFIRM)

        lines = [str(row.doc) for row in world.store._tables.consents.rows.values()]  # type: ignore[attr-defined]  # the store in memory
        assert any(DELIVERY in line and "confirmed" in line for line in lines)


class TestLost:
    @pytest.mark.parametrize("path", ["/u/x", "/c/x", "/l/x", "/v/x"])
    def test_people_get_a_page_and_programs_get_json(self, client: Client, path: str) -> None:
        page = client.get(path, headers=BROWSER | {"accept-language": "de"})

        assert page.status_code == 404
        assert "Dieser Link funktioniert nicht" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert client.get(path).json()["code"] == "unknown_link"


class TestTheme:
    @given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True))
    def test_words_on_any_accent_can_be_read(self, accent: str) -> None:
        theme = PagesForm.model_validate({"accent": accent})

        assert contrast(theme.accent, theme.on_accent) >= 4.5

    @pytest.mark.parametrize("key", ["accent", "logo", "home"])
    @pytest.mark.parametrize(
        "value",
        ["red", "#fff", "#12345g", "http://x.example", 'https://x.example/"><script>', "javascript:1", 7],
    )
    def test_nothing_else_gets_into_the_page(self, key: str, value: object) -> None:
        with pytest.raises(ValidationError):
            PagesForm.model_validate({key: value})

    def test_a_page_wears_the_projects_name_and_loads_its_logo_alone(self) -> None:
        pages = {"name": "<Finch> & Co", "logo": "https://cdn.example/a.png", "footer": "</style><b>"}
        with calling(World({**SETTINGS, "pages": pages})) as client:
            page = client.get(CHOICES)

        assert "img-src https://cdn.example" in page.headers["content-security-policy"]
        assert 'alt="&lt;Finch&gt; &amp; Co"' in page.text
        assert re.findall(r"<(script|b)\b", page.text) == []


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2)."""

    def shade(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((shade(one), shade(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
