"""Users, tokens and ended sessions in memory."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import structs

from engage.domain.access import Role
from engage.ports.access import Token, User
from engage.storage.memory.work import Work


class MemoryAccess:
    """Users, tokens and ended sessions."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def user(self, email: str) -> User | None:
        """Return a user."""
        return self._work.users.get(email)

    def users(self) -> Sequence[User]:
        """Return all users, by address."""
        return sorted(self._work.users.all(), key=lambda user: user.email)

    def add_user(self, user: User) -> bool:
        """Add a user; False if the address is taken."""
        self._work.lock(("user", user.email))
        if self._work.users.get(user.email) is not None:
            return False
        self._work.users.put(user.email, user)
        return True

    def change_user(self, email: str, *, role: Role | None = None, password: str | None = None) -> bool:
        """Change what is given; False if there is no such user."""
        self._work.lock(("user", email))
        user = self._work.users.get(email)
        if user is None:
            return False
        changed = structs.replace(user, role=role or user.role, password=password or user.password)
        self._work.users.put(email, changed)
        return True

    def remove_user(self, email: str) -> bool:
        """Remove a user; False if there is none."""
        there = self._work.users.get(email) is not None
        if there:
            self._work.users.delete(email)
        return there

    def guess(self, who: bytes, now: datetime, since: datetime, most: int) -> bool:
        """Count a guess at `who`, unless `most` stand already."""
        self._work.lock(("guess", who.hex()))
        tries, at = self._work.guesses.get(who) or (0, since)
        tries = tries if at > since else 0
        if tries >= most:
            return False
        self._work.guesses.put(who, (tries + 1, max(at, now)))
        return True

    def forget_guesses(self, who: bytes) -> None:
        """End the row."""
        self._work.lock(("guess", who.hex()))
        self._work.guesses.delete(who)

    def end_session(self, session: bytes, until: datetime) -> None:
        """Remember that this session has ended."""
        self._work.ended_sessions.put(session, until)

    def has_ended(self, session: bytes) -> bool:
        """Return whether this session has ended before its time."""
        return self._work.ended_sessions.get(session) is not None

    def token(self, digest: bytes) -> Token | None:
        """Return the token of this hash, revoked ones too."""
        return self._work.tokens.get(digest)

    def tokens(self) -> Sequence[Token]:
        """Return all tokens, the oldest first."""
        return sorted(self._work.tokens.all(), key=lambda token: (token.created_at, token.hash))

    def add_token(self, token: Token) -> None:
        """Add a token."""
        self._work.tokens.put(token.hash, token)

    def revoke(self, digest: bytes, now: datetime) -> bool:
        """Revoke a token; False if there is none, or it was revoked before."""
        token = self._work.tokens.get(digest)
        if token is None or token.revoked_at is not None:
            return False
        self._work.tokens.put(digest, structs.replace(token, revoked_at=now))
        return True
