"""Access: who works here, which tokens there are, and which sessions have ended. Passwords and tokens are stored hashed; neither can be read back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from engage.domain.access import Role, Scope


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who works here. `password` is a hash, with how it was made."""

    email: str
    role: Role
    password: str
    created_at: datetime


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token of the API, by the SHA-256 of it: whoever reads the database cannot use it."""

    hash: bytes
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def id(self) -> str:
        """What names the token in lists and on the audit trail; says nothing about the token."""
        return self.hash.hex()[:12]


class Access(Protocol):
    """Users, tokens and ended sessions."""

    def user(self, email: str) -> User | None:
        """Return a user."""
        ...

    def users(self) -> Sequence[User]:
        """Return all users, by address."""
        ...

    def add_user(self, user: User) -> bool:
        """Add a user; False if the address is taken, which changes nothing."""
        ...

    def change_user(self, email: str, *, role: Role | None = None, password: str | None = None) -> bool:
        """Change what is given; False if there is no such user."""
        ...

    def remove_user(self, email: str) -> bool:
        """Remove a user; False if there is none."""
        ...

    def guess(self, who: bytes, now: datetime, since: datetime, most: int) -> bool:
        """Count a guess at `who`, the first of a row if the last one was not after `since`; False, and nothing is counted, if `most` stand
        already. However many come at once, no more are heard."""
        ...

    def forget_guesses(self, who: bytes) -> None:
        """End the row: one was right."""
        ...

    def end_session(self, session: bytes, until: datetime) -> None:
        """Remember, until then at least, that this session has ended; ending it again changes nothing."""
        ...

    def has_ended(self, session: bytes) -> bool:
        """Return whether this session has ended before its time."""
        ...

    def token(self, digest: bytes) -> Token | None:
        """Return the token of this hash, revoked ones too."""
        ...

    def tokens(self) -> Sequence[Token]:
        """Return all tokens, the oldest first."""
        ...

    def add_token(self, token: Token) -> None:
        """Add a token."""
        ...

    def revoke(self, digest: bytes, now: datetime) -> bool:
        """Revoke a token; False if there is none, or it was revoked before."""
        ...
