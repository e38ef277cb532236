"""Users and tokens: what was given is taken back at once, what is stored opens nothing, and every change is on the trail."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.access import SCOPES_OF, Role, Scope, role_of
from engage.engine.access.admit import AccessError, Admit, FixedTokens
from engage.engine.access.passwords import Cost, generated, hashed, matches
from engage.engine.operate import Operator
from engage.ports.trail import AuditEntry
from engage.storage.memory.store import MemoryStore

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
BY = Operator("cli:ada", NOON)
CHEAP = Cost(log_n=4, r=1, p=1)
GOOD = "correct horse battery"


@pytest.fixture
def admit() -> Admit:
    return Admit(MemoryStore(), FixedTokens.admins(["from the settings"]), CHEAP)


def trail(admit: Admit) -> list[AuditEntry]:
    with admit._store.transaction() as tx:
        return list(tx.trail.newest(100))[::-1]


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_password_matches_its_own_hash_alone(password: str, other: str) -> None:
    stored = hashed(password, CHEAP)

    assert matches(password, stored)
    assert matches(other, stored) is (other.encode("utf-8", "replace") == password.encode("utf-8", "replace"))


def test_a_hash_of_the_real_cost_says_how_it_was_made_and_hides_the_password() -> None:
    password = generated()
    stored = hashed(password)

    assert stored.startswith("scrypt$15$8$3$")
    assert password not in stored
    assert hashed(password) != stored
    assert matches(password, stored)


class TestTokens:
    def test_a_token_is_found_until_it_is_revoked(self, admit: Admit) -> None:
        made = admit.create_token("bi", [Scope.PROFILES_READ], BY)
        found = admit.find(made.text)
        assert found is not None
        assert (found.may(Scope.PROFILES_READ), found.may(Scope.PROFILES_WRITE)) == (True, False)

        admit.revoke(made.token.id, BY)

        assert admit.find(made.text) is None

    def test_neither_store_nor_trail_holds_the_token(self, admit: Admit) -> None:
        made = admit.create_token("bi", [Scope.ADMIN], BY)

        assert made.text not in repr([admit.tokens(), trail(admit)])

    @pytest.mark.parametrize("way", ["id", "name", "text", "audited"])
    def test_a_token_is_revoked_by_whatever_names_it(self, admit: Admit, way: str) -> None:
        made = admit.create_token("bi", [Scope.ADMIN], BY)
        names = {"id": made.token.id, "name": "bi", "text": made.text, "audited": f"token:{made.token.id}"}

        admit.revoke(names[way], BY)

        assert admit.find(made.text) is None

    def test_a_name_that_two_tokens_have_revokes_neither(self, admit: Admit) -> None:
        both = [admit.create_token("bi", [Scope.ADMIN], BY) for _ in range(2)]

        with pytest.raises(AccessError, match="2 tokens"):
            admit.revoke("bi", BY)

        assert all(admit.find(made.text) for made in both)

    def test_what_names_nothing_is_said_without_repeating_a_token(self, admit: Admit) -> None:
        with pytest.raises(AccessError) as told:
            admit.revoke("et_secret", BY)

        assert "et_secret" not in str(told.value)

    def test_a_token_allows_something(self, admit: Admit) -> None:
        with pytest.raises(AccessError):
            admit.create_token("bi", [], BY)

    def test_tokens_of_the_settings_are_admins(self, admit: Admit) -> None:
        found = admit.find("from the settings")

        assert found is not None
        assert found.may(Scope.ADMIN)

    @given(st.text(max_size=300))
    def test_no_other_text_is_a_token(self, text: str) -> None:
        assert Admit(MemoryStore()).find(text) is None


class TestUsers:
    def test_an_address_is_one_user_however_it_is_written(self, admit: Admit) -> None:
        admit.add_user(" Bea@Shop.example", Role.EDITOR, GOOD, BY)

        with pytest.raises(AccessError, match="already"):
            admit.add_user("bea@shop.example", Role.ADMIN, GOOD, BY)
        viewer = admit.by_password("BEA@shop.example", GOOD, NOON)
        assert viewer is not None
        assert (viewer.name, viewer.role) == ("user:bea@shop.example", Role.EDITOR)

    @pytest.mark.parametrize(
        ("email", "password"),
        [("bea", GOOD), ("a@b", GOOD), ("bea@shop.example", "short"), ("a@b.c", "x" * 2_000)],
    )
    def test_what_cannot_be_is_refused(self, admit: Admit, email: str, password: str) -> None:
        with pytest.raises(AccessError):
            admit.add_user(email, Role.VIEWER, password, BY)
        assert admit.users() == []

    @pytest.mark.parametrize("email", ["bea@shop.example", "nobody@shop.example"])
    def test_a_wrong_password_and_an_unknown_address_are_alike(self, admit: Admit, email: str) -> None:
        admit.add_user("bea@shop.example", Role.VIEWER, GOOD, BY)

        assert admit.by_password(email, "not the right one", NOON) is None

    def test_another_role_holds_at_once(self, admit: Admit) -> None:
        admit.add_user("bea@shop.example", Role.VIEWER, GOOD, BY)
        viewer = admit.by_password("bea@shop.example", GOOD, NOON)
        assert viewer is not None

        admit.set_role("bea@shop.example", Role.PUBLISHER, BY)

        still = admit.still(viewer.name, viewer.mark, b"a session")
        assert still is not None
        assert still.role is Role.PUBLISHER

    def test_a_session_that_was_left_is_nobodys_and_others_go_on(self, admit: Admit) -> None:
        admit.add_user("bea@shop.example", Role.VIEWER, GOOD, BY)
        made = admit.create_token("bi", [Scope.PROFILES_READ], BY)
        holders = (
            admit.by_password("bea@shop.example", GOOD, NOON),
            admit.by_token(made.text),
            admit.by_token("from the settings"),
        )

        admit.leave(b"left", NOON)

        for viewer in holders:
            assert viewer is not None
            assert admit.still(viewer.name, viewer.mark, b"left") is None
            assert admit.still(viewer.name, viewer.mark, b"another") == viewer

    def test_nobody_is_changed_or_removed_who_is_not_there(self, admit: Admit) -> None:
        with pytest.raises(AccessError):
            admit.set_role("no@shop.example", Role.ADMIN, BY)
        with pytest.raises(AccessError):
            admit.set_password("no@shop.example", GOOD, BY)
        with pytest.raises(AccessError):
            admit.remove_user("no@shop.example", BY)
        assert trail(admit) == []


def test_every_change_leaves_a_line_on_the_trail(admit: Admit) -> None:
    admit.add_user("bea@shop.example", Role.VIEWER, GOOD, BY)
    admit.set_role("bea@shop.example", Role.ADMIN, BY)
    admit.set_password("bea@shop.example", GOOD + "!", BY)
    admit.remove_user("bea@shop.example", BY)
    made = admit.create_token("bi", [Scope.PROFILES_READ], BY)
    admit.revoke("bi", BY)

    assert [(entry.actor, entry.action, entry.subject) for entry in trail(admit)] == [
        ("cli:ada", "user_added", "bea@shop.example"),
        ("cli:ada", "user_role", "bea@shop.example"),
        ("cli:ada", "user_password", "bea@shop.example"),
        ("cli:ada", "user_removed", "bea@shop.example"),
        ("cli:ada", "token_created", f"token:{made.token.id}"),
        ("cli:ada", "token_revoked", f"token:{made.token.id}"),
    ]
    assert GOOD not in repr(trail(admit))


@given(st.sampled_from(Role), st.sampled_from(Role))
def test_a_role_may_what_lesser_ones_may(one: Role, other: Role) -> None:
    if one.includes(other) and Scope.ADMIN not in SCOPES_OF[one]:
        assert SCOPES_OF[other] <= SCOPES_OF[one]
    assert one.includes(other) or other.includes(one)


def test_only_who_may_read_profiles_comes_to_the_console() -> None:
    assert role_of(frozenset({Scope.ADMIN})) is Role.ADMIN
    assert role_of(SCOPES_OF[Role.EDITOR]) is Role.VIEWER
    assert role_of(frozenset({Scope.JOURNEYS_START, Scope.CONSENT_WRITE})) is None
