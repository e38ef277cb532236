"""A cursor that no page named, or that somebody changed, is a refusal in words: of every list, in the API and in the console."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator

import pytest

from engage.cli.serve import console_deps
from engage.console.app import mount_console
from engage.domain.decision import Decided
from engage.domain.fact import Identifier
from engage.domain.profile.profile import Profile
from engage.domain.turn.changes import Changes, MembershipChange, Quarantined
from engage.storage.postgres import PostgresStore
from tests.api.world import ADMIN, NOW, Client, World, bearer, calling
from tests.console.shop import ADA, decided, event

pytestmark = pytest.mark.live

INSTANTS = (
    NOW.isoformat(),
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59",
    "2026-03-01T12:00:00+00:00:00.000001",
)
NUMBERS = ("1", "-1", "9" * 19, "9" * 400, "1_0", "١")
KEYS = (ADA, f"{{{ADA}}}", "a\x00b", "é~", "")
CURSORS = [
    *NUMBERS,
    *KEYS,
    *(f"{at}~{key}" for at in INSTANTS for key in (*NUMBERS, *KEYS)),
    *(f"{NOW.isoformat()}~{number}~{key}" for number in NUMBERS for key in KEYS),
    *(f"{at}~1~x" for at in INSTANTS),
]
LISTS = (
    "/v1/profiles/user_id:ada?list=runs",
    "/v1/profiles/user_id:ada?list=deliveries",
    "/v1/profiles/user_id:ada?list=decisions",
    "/v1/profiles/user_id:ada?list=events",
    "/v1/audiences/beta/members",
    "/v1/quarantine",
    "/v1/unknown",
    "/console/deliveries",
    "/console/quarantine",
    "/console/audiences/beta",
)


@pytest.fixture(scope="module")
def client(attacked: PostgresStore) -> Iterator[Client]:
    with attacked.transaction() as tx:
        ada = Profile(id=ADA, bucket_key="ada", created_at=NOW, lane=3)
        tx.write(
            Changes(
                profiles={ADA: ada},
                identifiers=[(Identifier("user_id", "ada"), ADA)],
                events=[event("Cart Updated", 0)],
                decisions=[decided(Decided.ENTRY, "entered", 0)],
                memberships=[MembershipChange(profile=ADA, audience="beta", member=True, at=NOW)],
            )
        )
        unfit = Quarantined(source="s", reason="malformed", detail="early", payload=b"{", received_at=NOW)
        tx.inbox.quarantine([unfit])
    world = World(store=attacked, open_docs=True)
    mount_console(world.app, console_deps(world.deps, world.admit))
    with calling(world) as client:
        yield client


def held(client: Client, path: str, **query: str) -> None:
    answer = client.get(path, params=query, headers=bearer(ADMIN))
    assert answer.status_code in (200, 400), (path, query, answer.text)
    if path.startswith("/console"):
        assert "<main" in answer.text, (query, answer.text)


@pytest.mark.parametrize("address", LISTS)
def test_a_changed_cursor_is_refused_or_leads_somewhere(client: Client, address: str) -> None:
    path, _, query = address.partition("?")
    for cursor in CURSORS:
        held(client, path, **dict([query.split("=")] if query else []), after=cursor)


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_changed_cursor_of_a_timeline_is_refused_or_leads_somewhere(client: Client, cursor: str) -> None:
    for place in ([cursor, False, False], [False, cursor, False], [False, False, cursor]):
        text = urlsafe_b64encode(json.dumps(place).encode()).rstrip(b"=").decode()
        held(client, f"/console/people/{ADA}", after=text)
