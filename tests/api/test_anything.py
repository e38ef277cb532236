"""Whatever comes on Segment's wire: never a 5xx, and no item of a batch is ever lost."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage.domain.fact import Kind
from tests.api.world import SERVER, World, basic, calling

TRACK = {"userId": "ada", "event": "Go"}
KINDS = [kind.value for kind in Kind]
FIELDS = [
    "type",
    "userId",
    "anonymousId",
    "event",
    "traits",
    "properties",
    "context",
    "messageId",
    "timestamp",
    "sentAt",
    "originalTimestamp",
    "groupId",
    "previousId",
    "integrations",
    "email",
    "phone",
    "externalIds",
    "id",
    "key",
    "collection",
    "encoding",
    "messaging_subscriptions",
    "status",
    "groups",
    "name",
    "category",
    "address",
]
NAMES = st.text(max_size=5) | st.sampled_from(FIELDS)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["track", "identify", "ada", "2026-01-01", "a@b.c", "+14155550101", "EMAIL", "UNSUBSCRIBED"]
    ),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=5),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    items=st.lists(JSON | st.dictionaries(NAMES, JSON, max_size=8), max_size=5),
    around=st.dictionaries(NAMES, JSON),
)
def test_whatever_the_items_are_a_batch_is_200_and_every_item_is_somewhere(
    items: list[Any], around: dict[str, Any]
) -> None:
    world = World()
    marked = [
        {"type": "track", **TRACK, "messageId": "first"},
        *({**item, "messageId": None} if isinstance(item, dict) else item for item in items),
        {"type": "track", **TRACK, "messageId": "last"},
    ]
    with calling(world) as client:
        answer = client.post("/v1/batch", json={**around, "batch": marked}, headers=basic(SERVER))

    assert answer.status_code == 200
    assert {"first", "last"} <= {call.message_id for call in world.calls()}
    assert len(world.calls()) + len(world.quarantined()) == len(marked)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()),
    path=st.sampled_from(KINDS),
)
def test_whatever_the_body_is_the_answer_is_never_a_5xx(body: bytes, path: str) -> None:
    with calling(World()) as client:
        answer = client.post(f"/v1/{path}", content=body, headers=basic(SERVER))

    assert answer.status_code in (200, 400)
