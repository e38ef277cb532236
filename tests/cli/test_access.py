"""The commands of access: passwords and tokens are shown once, and end when somebody says so."""

import json
from datetime import UTC, datetime

import pytest

from engage.domain.access import SCOPES_OF, Role, Scope
from tests.cli.conftest import Author

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_user_is_added_with_a_password_shown_once(shop: Author) -> None:
    said = shop.json("user", "add", "bea@shop.example", "--role", "editor")

    with shop.runtime() as runtime:
        viewer = runtime.admit.by_password("bea@shop.example", said["password"], NOW)
    assert viewer is not None
    assert viewer.role is Role.EDITOR
    assert said["password"] not in shop.run("user", "list")
    assert [user["email"] for user in shop.json("user", "list")] == ["bea@shop.example"]


def test_a_password_of_ones_own_is_read_and_not_shown(shop: Author) -> None:
    own = "correct horse battery"
    said = shop.run("user", "add", "bea@shop.example", "--role", "viewer", "--password", answer=f"{own}\n")

    assert own not in said
    with shop.runtime() as runtime:
        assert runtime.admit.by_password("bea@shop.example", own, NOW) is not None


def test_a_user_changes_and_goes(shop: Author) -> None:
    first = shop.json("user", "add", "bea@shop.example", "--role", "viewer")["password"]
    shop.run("user", "role", "bea@shop.example", "admin")
    second = shop.json("user", "password", "bea@shop.example")["password"]

    with shop.runtime() as runtime:
        assert runtime.admit.by_password("bea@shop.example", first, NOW) is None
        found = runtime.admit.by_password("bea@shop.example", second, NOW)
    assert found is not None
    assert found.role is Role.ADMIN
    shop.run("user", "remove", "bea@shop.example")
    assert shop.json("user", "list") == []


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("user", "add", "bea", "--role", "viewer"), 1, "no e-mail address"),
        (("user", "add", "bea@shop.example", "--role", "king"), 2, "king"),
        (("user", "add", "bea@shop.example"), 2, "--role"),
        (("user", "remove", "nobody@shop.example"), 1, "no user"),
        (("token", "create"), 2, "--scope"),
        (("token", "create", "--scope", "profiles:reed"), 2, "profiles:read"),
        (("token", "revoke", "abc"), 1, "no token"),
    ],
)
def test_what_cannot_be_is_said(shop: Author, arguments: tuple[str, ...], code: int, told: str) -> None:
    assert told in shop.run(*arguments, code=code)


def test_a_token_is_shown_once_listed_and_revoked(shop: Author) -> None:
    made = shop.json("token", "create", "--name", "bi", "--scope", "profiles:read,audiences:read")

    with shop.runtime() as runtime:
        caller = runtime.admit.find(made["token"])
    assert caller is not None
    assert caller.scopes == {Scope.PROFILES_READ, Scope.AUDIENCES_READ}
    (listed,) = shop.json("token", "list")
    assert (listed["id"], listed["name"], listed["revoked_at"]) == (made["id"], "bi", None)
    assert made["token"] not in json.dumps(listed)

    shop.run("token", "revoke", made["id"])

    with shop.runtime() as runtime:
        assert runtime.admit.find(made["token"]) is None
    assert "revoked" in shop.run("token", "list")


def test_a_token_for_a_role_has_its_scopes(shop: Author) -> None:
    made = shop.json("token", "create", "--role", "viewer")

    assert made["scopes"] == sorted(SCOPES_OF[Role.VIEWER])


def test_the_first_line_is_the_token_alone(shop: Author) -> None:
    said = shop.run("token", "create", "--scope", "profiles:read").splitlines()[0]

    with shop.runtime() as runtime:
        assert runtime.admit.find(said) is not None
