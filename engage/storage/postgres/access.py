"""Users, tokens and ended sessions in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from engage.domain.access import Role, Scope
from engage.ports.access import Token, User
from engage.storage.postgres.session import Session

_USER = "SELECT email, role, password, created_at FROM account"
_ADD_USER = (
    "INSERT INTO account (email, role, password, created_at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_CHANGE_USER = (
    "UPDATE account SET role = coalesce(%s, role), password = coalesce(%s, password) WHERE email = %s"
)
_GUESS = """
INSERT INTO guess (who, tries, at) VALUES (%(who)s, 1, %(now)s)
ON CONFLICT (who) DO UPDATE SET
    tries = CASE WHEN guess.at > %(since)s THEN guess.tries + 1 ELSE 1 END, at = greatest(guess.at, excluded.at)
WHERE guess.at <= %(since)s OR guess.tries < %(most)s
RETURNING tries
"""
_END = "INSERT INTO ended_session (id, until) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_ENDED = "SELECT id FROM ended_session WHERE id = %s"
_GIVEN = "SELECT hash, name, scopes, created_at, revoked_at FROM token"
_GIVE = "INSERT INTO token (hash, name, scopes, created_at, revoked_at) VALUES (%s, %s, %s, %s, %s)"
_REVOKE = "UPDATE token SET revoked_at = %s WHERE hash = %s AND revoked_at IS NULL"


class PostgresAccess:
    """Users, tokens and ended sessions."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def user(self, email: str) -> User | None:
        """Return a user."""
        return next(map(_user, self._session.rows(f"{_USER} WHERE email = %s", email)), None)

    def users(self) -> Sequence[User]:
        """Return all users, by address."""
        return [_user(row) for row in self._session.rows(f"{_USER} ORDER BY email")]

    def add_user(self, user: User) -> bool:
        """Add a user; False if the address is taken."""
        return bool(self._session.run(_ADD_USER, user.email, user.role, user.password, user.created_at))

    def change_user(self, email: str, *, role: Role | None = None, password: str | None = None) -> bool:
        """Change what is given; False if there is no such user."""
        return bool(self._session.run(_CHANGE_USER, role, password, email))

    def remove_user(self, email: str) -> bool:
        """Remove a user; False if there is none."""
        return bool(self._session.run("DELETE FROM account WHERE email = %s", email))

    def guess(self, who: bytes, now: datetime, since: datetime, most: int) -> bool:
        """Count a guess at `who`, unless `most` stand already."""
        return bool(self._session.named(_GUESS, who=who, now=now, since=since, most=most))

    def forget_guesses(self, who: bytes) -> None:
        """End the row."""
        self._session.run("DELETE FROM guess WHERE who = %s", who)

    def end_session(self, session: bytes, until: datetime) -> None:
        """Remember that this session has ended."""
        self._session.run(_END, session, until)

    def has_ended(self, session: bytes) -> bool:
        """Return whether this session has ended before its time."""
        return bool(self._session.rows(_ENDED, session))

    def token(self, digest: bytes) -> Token | None:
        """Return the token of this hash, revoked ones too."""
        return next(map(_token, self._session.rows(f"{_GIVEN} WHERE hash = %s", digest)), None)

    def tokens(self) -> Sequence[Token]:
        """Return all tokens, the oldest first."""
        return [_token(row) for row in self._session.rows(f"{_GIVEN} ORDER BY created_at, hash")]

    def add_token(self, token: Token) -> None:
        """Add a token."""
        self._session.run(
            _GIVE, token.hash, token.name, sorted(token.scopes), token.created_at, token.revoked_at
        )

    def revoke(self, digest: bytes, now: datetime) -> bool:
        """Revoke a token; False if there is none, or it was revoked before."""
        return bool(self._session.run(_REVOKE, now, digest))


def _user(row: tuple[Any, ...]) -> User:
    email, role, password, created_at = row
    return User(email=email, role=Role(role), password=password, created_at=created_at)


def _token(row: tuple[Any, ...]) -> Token:
    digest, name, scopes, created_at, revoked_at = row
    return Token(
        hash=bytes(digest),
        name=name,
        scopes=frozenset(map(Scope, scopes)),
        created_at=created_at,
        revoked_at=revoked_at,
    )
