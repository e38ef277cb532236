"""Which variant a person gets, what a template asks of a send, and what an SMS costs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.delivery.delivery import Channel
from engage.ports.channel import SmsContent
from engage.ports.templating import Rendered, RenderRefused
from engage.templating import TemplateSource, compile_templates, segments
from engage.templating.gsm import GSM7_PART, GSM7_SINGLE, UCS2_PART, UCS2_SINGLE, is_gsm7
from tests.templating.build import mail, problems, published, request, text


def chosen(files: dict[str, str], locale: str | None, default: str = "en") -> str | None:
    rendered = published(files).render(request(locale=locale, default_locale=default))
    if isinstance(rendered, RenderRefused):
        return None
    assert isinstance(rendered.content, SmsContent)
    return rendered.content.body


ALL = {
    "sms.fr-CA": "exact",
    "sms.fr": "language",
    "sms.en-GB": "default",
    "sms.en": "default language",
    "sms": "plain",
}


@pytest.mark.parametrize(
    ("missing", "body"),
    [
        ([], "exact"),
        (["sms.fr-CA"], "language"),
        (["sms.fr-CA", "sms.fr"], "default"),
        (["sms.fr-CA", "sms.fr", "sms.en-GB"], "default language"),
        (["sms.fr-CA", "sms.fr", "sms.en-GB", "sms.en"], "plain"),
        (["sms.fr-CA", "sms.fr", "sms.en-GB", "sms"], "default language"),
    ],
)
def test_the_variant_is_chosen_in_the_order_of_the_language(missing: list[str], body: str) -> None:
    files = {name: source for name, source in ALL.items() if name not in missing}

    assert chosen(files, "fr-CA", "en-GB") == body


def test_the_only_variant_serves_everybody() -> None:
    assert chosen({"sms.de": "nur"}, "fr") == "nur"


def test_several_variants_of_which_none_fits_are_a_refusal() -> None:
    assert chosen({"sms.de": "a", "sms.it": "b"}, "fr") is None


@pytest.mark.parametrize("locale", ["fr_CA", "FR-ca", "fr-CA"])
def test_the_spelling_of_a_locale_does_not_matter(locale: str) -> None:
    assert chosen(ALL, locale) == "exact"


def test_a_person_without_a_locale_gets_the_default() -> None:
    assert chosen(ALL, None, "en") == "default language"


def test_the_subject_has_variants_too() -> None:
    files: dict[str, Any] = {
        "email.fr": "<p>fr</p>",
        "email": "<p>plain</p>",
        "meta": {"subject": "Hello", "reply_to": "a@b.example"},
        "meta.fr": {"subject": "Bonjour"},
    }

    content = mail(files, locale="fr")

    assert (content.subject, content.html, content.reply_to) == ("Bonjour", "<p>fr</p>", "a@b.example")
    assert mail(files, locale="de").subject == "Hello"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sms.html", "`sms.txt`"),
        ("emial.html", "`email`"),
        ("readme.md", "files are"),
        ("sms.f.txt", "`sms.txt`"),
    ],
)
def test_a_file_that_is_none_of_a_templates_is_pointed_out(name: str, hint: str) -> None:
    _, found = compile_templates([TemplateSource(name="t", files={name: "x"})])

    assert [(hint in str(problem), problem.is_warning) for problem in found] == [(True, True)]


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        ({"subjct": "x"}, "did you mean `subject`?"),
        ({"subject": 5}, "subject: a text was expected"),
        ({"required": "code"}, "required: a list of texts"),
        ({"subject": "{{ profil.x }}"}, "subject: `profil` is not known"),
        ([], "a mapping was expected"),
    ],
)
def test_a_mistake_in_meta_is_found(meta: Any, says: str) -> None:
    source = {"sms": "x", "meta": meta} if meta else {"sms": "x", "meta.fr": []}

    assert any(says in problem for problem in problems(source)), problems(source)


def test_what_a_send_must_supply_is_what_is_required_or_read_unguarded() -> None:
    templates = published(
        {
            "sms": "{{ with.code }} {{ with.maybe | default('') }} {% if with.asked %}{{ with.asked }}{% endif %}"
            "{{ with.item.name }} {{ entry.total }}",
            "meta": {"required": ["extra", "entry.order_id"]},
        }
    )

    assert templates.required("t") == ("code", "extra", "item")
    assert {use.path: use.is_optional for use in templates.uses("t")} == {
        "with.code": False,
        "with.maybe": True,
        "with.asked": True,
        "with.item.name": False,
        "entry.total": False,
    }


def test_a_required_value_that_is_missing_is_a_refusal() -> None:
    templates = published({"sms": "x", "meta": {"required": ["code", "entry.order_id"]}})

    def detail(**given_: Any) -> str | None:
        rendered = templates.render(request(**given_))
        return rendered.detail if isinstance(rendered, RenderRefused) else None

    assert detail() == "`with.code` is required"
    assert detail(variables={"code": "A"}) == "`entry.order_id` is required"
    assert detail(variables={"code": "A"}, entry={"order_id": 1}) is None


def test_a_template_knows_its_channels_and_version() -> None:
    templates = published({"sms": "x", "voice": {"say": [{"say": "x"}]}})

    assert templates.channels("t") == {Channel.SMS, Channel.MMS, Channel.CHAT, Channel.VOICE}
    assert templates.version("t") == 3
    assert templates.names == {"t"}


def test_the_rendered_content_names_the_version_that_made_it() -> None:
    rendered = published({"sms": "x"}).render(request())

    assert isinstance(rendered, Rendered)
    assert rendered.template_version == 3


def test_the_opt_out_text_stands_on_a_line_of_its_own() -> None:
    assert text("Hi\n", opt_out_line="Reply STOP to opt out") == "Hi\nReply STOP to opt out"


def test_an_mms_has_its_pictures() -> None:
    templates = published({"sms": "Hi", "meta": {"media": ["https://x/{{ entry.id }}.png"]}})

    mms = templates.render(request(Channel.MMS, entry={"id": 7}))
    sms = templates.render(request(entry={}))

    assert mms == Rendered(content=SmsContent(body="Hi", media=("https://x/7.png",)), template_version=3)
    assert sms == Rendered(content=SmsContent(body="Hi"), template_version=3)


def test_an_empty_or_endless_text_is_a_refusal() -> None:
    assert isinstance(published({"sms": "{{ '' }}"}).render(request()), RenderRefused)
    assert isinstance(published({"sms": "x" * 1601}).render(request()), RenderRefused)


def test_a_whatsapp_text_is_rendered_and_its_template_checked() -> None:
    content = "HX" + "0" * 32
    templates = published({"whatsapp": {"content": content, "text": "Order {{ entry.id }}"}})

    rendered = templates.render(request(Channel.WHATSAPP, entry={"id": 1}))

    assert rendered == Rendered(content=SmsContent(body="Order 1"), template_version=3)
    assert problems({"whatsapp": {"content": "nope"}})
    assert problems({"whatsapp": {"content": content, "txt": "x"}})


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 20, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("ö" * 160, 1),
        ("ő" * 70, 1),
        ("ő" * 71, 2),
        ("ő" * 134, 2),
        ("ő" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 67, 3),
        ("Hi ’ there", 1),
        ("`", 1),
    ],
)
def test_segments_are_counted_as_on_the_wire(body: str, count: int) -> None:
    assert segments(body) == count


@given(st.text(max_size=400), st.text(max_size=20))
def test_a_longer_text_never_has_fewer_segments(body: str, more: str) -> None:
    assert segments(body) <= segments(body + more)


@given(st.text(max_size=800))
def test_segments_lie_within_what_the_parts_can_hold(body: str) -> None:
    single, part = (GSM7_SINGLE, GSM7_PART) if is_gsm7(body) else (UCS2_SINGLE, UCS2_PART)

    assert segments(body) >= (1 if len(body) <= single else -(-len(body) // part))
    assert segments(body) <= 1 + 2 * len(body) // (part - 1)
