"""One message asked for by the API: what it lacks is chosen where there is one choice, what could never leave is refused at once."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from engage.api.app import create_app
from engage.domain.fact import Send
from engage.templating import text_problem
from tests.api.world import World, bearer, calling


@pytest.mark.parametrize(
    ("there", "chosen"), [({"email"}, "email"), ({"sms", "mms", "chat"}, "sms"), ({"voice"}, "voice")]
)
def test_a_template_with_one_channel_needs_none_said(there: set[str], chosen: str) -> None:
    world = World()
    world.deps = replace(world.deps, templates=lambda: {"letter": Letter(frozenset(there), ())})
    world.app = create_app(world.deps)
    with calling(world) as client:
        answer = client.post(
            "/v1/deliveries",
            json={"profile": "user_id:u", "template": "letter", "topic": "orders"},
            headers=bearer(),
        )

    (send,) = world.facts()
    assert isinstance(send, Send)
    assert (answer.status_code, answer.json()) == (202, {"delivery_id": send.delivery, "channel": chosen})
    assert send.channel == chosen


@dataclass
class Letter:
    """A template as the API must know it."""

    channels: frozenset[str] = frozenset({"email", "sms"})
    required: tuple[str, ...] = ("code",)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"template": "nope"}, "no template `nope` is published"),
        ({"channel": "voice"}, "`letter` has no content for voice, but email, sms"),
        ({"with": {}}, "`letter` needs `with.code`"),
        ({"channel": None}, "`letter` has several channels; say `channel`: email, sms"),
        ({"channel": None, "template": "nope"}, "no template `nope` is published"),
        ({"channel": None, "template": None, "text": "hi"}, "say by which `channel`"),
        ({"template": None, "text": "Hello {{ profile.first_name | default('you') }}"}, None),
        (
            {"template": None, "text": "Hello {{ profile.first_name"},
            "`text`: the text cannot be read: a `{{` is not closed with `}}`",
        ),
        (
            {"template": None, "text": "Hello {{ first_name }}"},
            "`text`: `first_name` is not known; did you mean `profile.first_name`, or `'first_name'`?",
        ),
    ],
)
def test_what_could_only_be_skipped_later_is_refused_at_once(
    change: dict[str, Any], told: str | None
) -> None:
    world = World()
    world.deps = replace(world.deps, templates=lambda: {"letter": Letter()}, text_problem=text_problem)
    world.app = create_app(world.deps)
    wish = {
        "profile": "user_id:u",
        "channel": "email",
        "template": "letter",
        "with": {"code": 1},
        "topic": "orders",
    }
    with calling(world) as client:
        answer = client.post("/v1/deliveries", json={**wish, **change}, headers=bearer())

    assert answer.status_code == (202 if told is None else 400)
    assert told is None or answer.json()["message"] == told
    assert len(world.facts()) == (told is None)
