"""What `meta.yaml` says of a mail beside its texts reaches what is sent, and is bounded."""

from typing import Any

import pytest

from engage.domain.delivery.delivery import Channel
from engage.ports.channel import Attachment
from engage.ports.templating import RenderRefused
from tests.templating.build import compiled, mail, published, request


def meta(**given: Any) -> dict[str, Any]:
    return {"email": "<p>Hi</p>", "meta": {"subject": "s", **given}}


def test_an_attachment_is_rendered_for_the_person() -> None:
    calendar = {
        "name": "class.ics",
        "type": "text/calendar",
        "text": "SUMMARY:{{ entry.title }} for {{ profile.first_name }}",
    }

    content = mail(meta(attachments=[calendar]), entry={"title": "Bread"})

    assert content.attachments == (
        Attachment(name="class.ics", type="text/calendar", content=b"SUMMARY:Bread for Ada"),
    )


def test_attachments_are_bounded() -> None:
    big = [{"name": f"{n}.txt", "text": "x" * 400_000} for n in range(3)]
    refused = published(meta(attachments=big)).render(request(Channel.EMAIL))

    assert isinstance(refused, RenderRefused)
    _, found = compiled(meta(attachments=[{"name": "a.txt", "text": "x"}] * 11))
    assert "a list of at most 10" in found[0].message


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "x"},
        {"name": "../a", "text": "x"},
        {"name": "a.txt", "text": "x", "type": "nothing"},
        "a.txt",
    ],
)
def test_a_wrong_attachment_is_a_mistake(wrong: Any) -> None:
    _, found = compiled(meta(attachments=[wrong]))

    assert [problem.is_warning for problem in found] == [False]


@pytest.mark.parametrize(
    ("tracking", "opens", "clicks"),
    [
        (None, None, None),
        (True, True, True),
        (False, False, False),
        ({"opens": False}, False, None),
        ({"clicks": True}, None, True),
    ],
)
def test_tracking_says_what_is_counted(tracking: Any, opens: bool | None, clicks: bool | None) -> None:
    content = mail(meta(tracking=tracking))

    assert (content.opens, content.clicks) == (opens, clicks)


def test_categories_pool_and_group_reach_the_mail_and_a_group_takes_the_place_of_our_header() -> None:
    content = mail(
        meta(categories=["spring", "t", "spring"], pool="news", unsubscribe_group=12), marketing=True
    )

    assert content.categories == ("t", "spring")
    assert (content.pool, content.unsubscribe_group) == ("news", 12)
    assert content.headers == {}


@pytest.mark.parametrize(
    "given", [{"pool": "x"}, {"pool": 5}, {"unsubscribe_group": 0}, {"unsubscribe_group": "news"}]
)
def test_what_a_provider_would_refuse_is_a_mistake(given: dict[str, Any]) -> None:
    _, found = compiled(meta(**given))

    assert [problem.is_warning for problem in found] == [False]
