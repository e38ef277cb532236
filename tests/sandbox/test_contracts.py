"""Every route of the twins keeps to the vendors' published documents (`contracts.json`, made by `scripts/contracts`)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engage.sandbox.app import create_app
from engage.sandbox.config import SandboxConfig
from tests.sandbox.contract_requests import BODIES, LISTS, Client, prepared
from tests.sandbox.twin import ACCOUNT, Twin

TABLE: dict[str, Any] = json.loads((Path(__file__).parent / "contracts.json").read_text())
BEYOND = {
    "GET /2010-04-01/Accounts/{}/Recordings/{}": "media, not JSON",
    "GET /v3/user/webhooks/event/settings": "the form of accounts with one webhook, in the vendor's older document",
    "PATCH /v3/user/webhooks/event/settings": "as above",
    "GET /v3/user/webhooks/event/settings/signed": "as above",
    "PATCH /v3/user/webhooks/event/settings/signed": "as above",
}
"""Routes that the documents do not have, and why we have them."""
PACKAGES = {
    "call_forwarding",
    "caller_name",
    "identity_match",
    "line_status",
    "reassigned_number",
    "sim_swap",
    "sms_pumping_risk",
}
MISTAKEN = {"help", "error_code", *PACKAGES}
"""Fields of which the documents say what no answer shows: `help` of SendGrid's errors is a text or null, not an object;
`error_code` of a look-up that went well is null, and so are packages that nobody asked for."""


@pytest.fixture
def client(twin: Twin) -> Client:
    return Client(twin)


# --- the comparison


def misfits(shape: Any, value: Any, where: str = "") -> list[str]:
    """Return what of a value does not fit a shape of the table."""
    if shape == "any":
        return []
    if isinstance(shape, list):
        if value is None and shape[1:] == ["?"]:
            return []
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [found for n, item in enumerate(value) for found in misfits(shape[0], item, f"{where}[{n}]")]
    if isinstance(shape, dict):
        return _object_misfits(shape, value, where)
    kind: str = shape
    if kind.startswith("?"):
        if value is None:
            return []
        kind = kind[1:]
    return [] if _fits(kind, value) else [f"{where}: {value!r} is not {shape}"]


def _object_misfits(shape: dict[str, Any], value: Any, where: str) -> list[str]:
    if value is None and shape.get("?"):
        return []
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    fields = {name.rstrip("!"): below for name, below in shape.items() if name != "?"}
    found = [
        f"{where}.{name[:-1]} is missing" for name in shape if name.endswith("!") and name[:-1] not in value
    ]
    for name, item in value.items():
        if name in MISTAKEN:
            continue
        if name not in fields:
            found += [f"{where}.{name} is no field of theirs"] if fields else []
        else:
            found += misfits(fields[name], item, f"{where}.{name}")
    return found


def _fits(kind: str, value: Any) -> bool:
    if kind.startswith("="):
        return value in kind[1:].split(",")
    if kind.startswith("~"):
        return isinstance(value, str) and re.search(kind[1:], value) is not None
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in {"integer", "number"}:
        return isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "object": dict}[kind])


def bare(path: str) -> str:
    return re.sub(r"{[^}]*}", "{}", path)


def served() -> set[str]:
    """Return every route of the vendors' that the sandbox answers."""
    app = create_app(SandboxConfig())
    found = {
        f"POST {p}"
        for p in (
            "/v3/mail/send",
            "/2010-04-01/Accounts/{}/Messages.json",
            "/2010-04-01/Accounts/{}/Calls.json",
        )
    }
    for route in app.routes:
        path = str(getattr(route, "path", ""))
        if path.startswith(("/v1/", "/v2/", "/v3/", "/2010")):
            names = LISTS if "suppression/{name}" in path else ("",)
            for method in getattr(route, "methods", ()):
                found |= {
                    f"{method} {bare(path.replace('{name}', name) if name else path)}" for name in names
                }
    return {route for route in found if not route.startswith("HEAD")}


def test_every_route_we_serve_is_theirs_and_every_contract_is_served() -> None:
    assert served() - set(BEYOND) == set(TABLE)


@pytest.mark.parametrize("route", sorted(TABLE))
def test_an_answer_has_their_status_their_fields_and_their_types(client: Client, route: str) -> None:
    asked, sent = prepared(client, route)

    status, answer = client.ask(asked, **sent)

    documented = TABLE[route]["answers"]
    assert str(status) in documented, answer
    assert status < 300, answer
    shape = documented[str(status)]
    if shape is None or status == 204:
        assert answer is None
    else:
        assert misfits(shape, answer) == []


def _required() -> list[tuple[str, str, str]]:
    return [
        (route, part, name[:-1])
        for route, kept in sorted(TABLE.items())
        for part in ("form", "json")
        for name in (kept.get(part) if isinstance(kept.get(part), dict) else {})
        if name.endswith("!")
    ]


@pytest.mark.parametrize(("route", "part", "name"), _required())
def test_a_request_without_what_they_require_is_refused(
    client: Client, route: str, part: str, name: str
) -> None:
    asked, sent = prepared(client, route)
    assert name in sent[part], "the request of this test lacks it anyway"
    del sent[part][name]

    status, answer = client.ask(asked, **sent)

    assert status == 400, answer
    assert misfits(ERRORS["/v3/" in route], answer) == []


ERRORS: dict[bool, Any] = {
    True: {"errors!": [{"message!": "string", "field!": "?string", "help": "any"}], "id": "string"},
    False: {"code!": "integer", "message!": "string", "more_info!": "string", "status!": "integer"},
}
"""SendGrid's and Twilio's (their documents leave the errors of the second out; providers' errors have these four)."""


@pytest.mark.parametrize("route", sorted(TABLE))
def test_nobody_gets_in_without_the_key(client: Client, route: str) -> None:
    client.twin.configure(sendgrid_api_key="SG.key")

    status, answer = client.ask(
        route.replace("groups/{}", "groups/1").replace("{}", ACCOUNT), known=False, **BODIES.get(route, {})
    )

    assert status == 401
    assert misfits(ERRORS["/v3/" in route], answer) == []


@pytest.mark.parametrize("route", sorted(name for name in TABLE if "form" in TABLE[name]))
def test_every_parameter_of_theirs_is_taken(client: Client, route: str) -> None:
    """What the twin does not act upon it takes all the same, as long as it is of the right kind."""
    asked, sent = prepared(client, route)
    for name, shape in TABLE[route]["form"].items():
        plain = name.rstrip("!")
        if plain not in sent["form"] and plain not in EITHER_OR:
            sent["form"][plain] = EXAMPLES.get(plain) or _example(shape)

    status, answer = client.ask(asked, **sent)

    assert status < 300, answer


EITHER_OR = {"MessagingServiceSid", "ContentSid", "ContentVariables", "MediaUrl", "ApplicationSid", "Url", "ScheduleType", "SendAt",
             "Identity", "Status", "AssignmentStatus", "VerificationSid", "TaskChannel", "MessagingBinding.ProjectedAddress"}  # fmt: skip
"""Parameters that exclude one another, or change what the request does; the other tests use them."""
EXAMPLES = {
    "ValidityPeriod": "600",
    "MaxPrice": "0.1",
    "Timeout": "60",
    "Priority": "1",
    "StatusCallback": "http://127.0.0.1:9/cb",
}


def _example(shape: Any) -> Any:
    if isinstance(shape, list):
        return [_example(shape[0])]
    if shape.startswith("="):
        return shape[1:].split(",")[0]
    if shape.startswith("~^"):
        return shape[2:4] + "b" * 32
    return {"integer": "1", "number": "1", "boolean": "true"}.get(shape, "http://127.0.0.1:9/x")
