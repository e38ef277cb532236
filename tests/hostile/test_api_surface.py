"""Whatever the description of the API allows, and what it does not: no answer is an accident."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, GenerationMode
from schemathesis.core import NOT_SET
from schemathesis.core.errors import InvalidSchema
from schemathesis.core.result import Err, Result

from engage.storage.postgres import PostgresStore
from tests.api.world import ADMIN, SERVER, Client, World, basic, bearer, calling

pytestmark = [
    pytest.mark.live,
    # schemathesis draws some of its cases by `random`.
    pytest.mark.filterwarnings(
        "ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"
    ),
]


def _sound(
    found: Result[APIOperation[Any, Any, Any, Any], InvalidSchema],
) -> APIOperation[Any, Any, Any, Any]:
    if isinstance(found, Err):
        raise found.err()
    return found.ok()


DESCRIPTION = World().app.openapi()
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)
OPERATIONS = {made.label: made for found in SCHEMA.get_all_operations() for made in [_sound(found)]}
TIMES = settings(
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
    max_examples=max(10, settings().max_examples // 10),
)


@pytest.fixture(scope="module")
def client(attacked: PostgresStore) -> Iterator[Client]:
    """A caller of the face over PostgreSQL, which refuses more than memory does."""
    with calling(World(store=attacked)) as client:
        yield client


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_makes_an_accident(name: str, mode: GenerationMode, client: Client) -> None:
    operation = OPERATIONS[name]
    header = basic(SERVER) if _takes_a_write_key(operation) else bearer(ADMIN)

    @TIMES
    @given(case=operation.as_strategy(generation_mode=mode))
    def hold(case: Any) -> None:
        path = case.path
        for key, value in (case.path_parameters or {}).items():
            path = path.replace("{" + key + "}", quote(str(value), safe=""))
        query = {key: str(value)[:2000] for key, value in (case.query or {}).items()}

        answer = client.request(case.method, path, params=query, headers=header, content=_bytes_of(case.body))

        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert {"code", "message", "details"} <= set(answer.json())

    hold()


def _bytes_of(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return b"" if body is NOT_SET else json.dumps(body, default=str).encode("utf-8", "surrogatepass")


def _takes_a_write_key(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    return any("write_key" in need for need in operation.definition.raw.get("security", ()))


def test_everything_is_described() -> None:
    wanted = {
        "/v1/identify",
        "/v1/batch",
        "/v1/signals",
        "/v1/deliveries",
        "/v1/subscriptions",
        "/v1/profiles/{person}",
    }

    assert wanted <= set(DESCRIPTION["paths"])
    for path, methods in DESCRIPTION["paths"].items():
        for method, operation in methods.items():
            assert operation["security"], f"{method} {path} says nothing of who may call it"
            assert bool(operation.get("requestBody")) == (method in ("post", "put")), f"{method} {path}"
