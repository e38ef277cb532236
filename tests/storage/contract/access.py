"""What every store promises about users and tokens."""

from engage.domain.access import Role, Scope
from engage.ports.access import Token, User
from engage.ports.storage import Store
from tests.storage.contract.given import at


def user(name: str, role: Role = Role.VIEWER) -> User:
    return User(email=f"{name}@shop.example", role=role, password=f"hash of {name}", created_at=at(0))


def token(name: str, minute: int = 0, *scopes: Scope) -> Token:
    return Token(
        hash=name.encode() * 2,
        name=name,
        scopes=frozenset(scopes or (Scope.PROFILES_READ,)),
        created_at=at(minute),
    )


class AccessContract:
    """Who works here, and which tokens there are."""

    def test_so_many_guesses_in_a_row_are_heard_and_then_none_for_a_while(self, store: Store) -> None:
        def heard(who: bytes, minute: float) -> bool:
            with store.transaction() as tx:
                return tx.access.guess(who, at(60 * minute), at(60 * (minute - 10)), 3)

        ada, bob = b"a" * 32, b"b" * 32
        assert [heard(ada, minute) for minute in (0, 5, 9, 9.5, 15, 18.9)] == [True] * 3 + [False] * 3
        assert heard(bob, 15)
        assert [heard(ada, 19) for _ in range(4)] == [True] * 3 + [False]

    def test_a_right_guess_ends_the_row(self, store: Store) -> None:
        who = b"a" * 32
        for _ in range(2):
            with store.transaction() as tx:
                assert tx.access.guess(who, at(60), at(0), 1)
                assert not tx.access.guess(who, at(60), at(0), 1)
            with store.transaction() as tx:
                tx.access.forget_guesses(who)

    def test_a_session_ends_once_and_stays_ended(self, store: Store) -> None:
        for _ in range(2):
            with store.transaction() as tx:
                tx.access.end_session(b"a" * 32, at(0))

        with store.transaction() as tx:
            assert tx.access.has_ended(b"a" * 32)
            assert not tx.access.has_ended(b"b" * 32)

    def test_a_user_is_found_as_added(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.access.add_user(user("bob", Role.EDITOR))
            assert tx.access.add_user(user("ada"))

        with store.transaction() as tx:
            assert tx.access.user("bob@shop.example") == user("bob", Role.EDITOR)
            assert tx.access.user("BOB@shop.example") is None
            assert [found.email for found in tx.access.users()] == ["ada@shop.example", "bob@shop.example"]

    def test_an_address_has_one_user(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.access.add_user(user("ada"))
        with store.transaction() as tx:
            assert not tx.access.add_user(user("ada", Role.ADMIN))

        with store.transaction() as tx:
            assert tx.access.user("ada@shop.example") == user("ada")

    def test_what_is_not_given_stays(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.access.add_user(user("ada"))
        with store.transaction() as tx:
            assert tx.access.change_user("ada@shop.example", role=Role.ADMIN)
            assert tx.access.change_user("ada@shop.example", password="another")
            assert not tx.access.change_user("bob@shop.example", role=Role.ADMIN)

        with store.transaction() as tx:
            found = tx.access.user("ada@shop.example")
        assert found is not None
        assert (found.role, found.password) == (Role.ADMIN, "another")

    def test_a_removed_user_is_gone(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.access.add_user(user("ada"))
        with store.transaction() as tx:
            assert tx.access.remove_user("ada@shop.example")
            assert not tx.access.remove_user("ada@shop.example")

        with store.transaction() as tx:
            assert tx.access.users() == []

    def test_a_token_is_found_by_its_hash(self, store: Store) -> None:
        made = token("ci", 0, Scope.PROFILES_READ, Scope.CONSENT_WRITE)
        with store.transaction() as tx:
            tx.access.add_token(made)

        with store.transaction() as tx:
            assert tx.access.token(made.hash) == made
            assert tx.access.token(b"another") is None

    def test_a_token_is_revoked_once_and_stays_listed(self, store: Store) -> None:
        first, second = token("first", 1), token("second", 2)
        with store.transaction() as tx:
            tx.access.add_token(second)
            tx.access.add_token(first)
        with store.transaction() as tx:
            assert tx.access.revoke(first.hash, at(5))
            assert not tx.access.revoke(first.hash, at(6))
            assert not tx.access.revoke(b"another", at(6))

        with store.transaction() as tx:
            assert [(found.name, found.revoked_at) for found in tx.access.tokens()] == [
                ("first", at(5)),
                ("second", None),
            ]
