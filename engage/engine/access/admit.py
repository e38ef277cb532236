"""Admit: who may do what here — users with roles, tokens with scopes — and every change of it on the audit trail."""

import hmac
import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from threading import BoundedSemaphore
from typing import Self

from engage.domain.access import Caller, Role, Scope, Viewer, role_of
from engage.domain.errors import EngageError
from engage.engine.access.passwords import LEAST, MOST, Cost, hashed, matches
from engage.engine.operate import Operator
from engage.ports.access import Token, User
from engage.ports.storage import Store, Transaction
from engage.ports.trail import AuditEntry

PREFIX = "et_"
"""Every token begins so: scanners of leaked secrets know it, and what does not is nobody's, without asking the database."""
MAX_TOKEN = 200
HASHED_AT_ONCE = 2
"""Hashing a password takes 32 MB: guessers must not take them all."""
GUESSES = 10
PATIENCE = timedelta(minutes=10)
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class AccessError(EngageError):
    """What was asked for cannot be: the text says why."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made: the only time anybody sees it."""

    text: str
    token: Token


class FixedTokens:
    """Tokens that stand in the settings."""

    @classmethod
    def admins(cls, tokens: Iterable[str]) -> Self:
        """Return tokens that may do everything."""
        return cls({token: frozenset({Scope.ADMIN}) for token in tokens})

    def __init__(self, tokens: Mapping[str, frozenset[Scope]] | None = None) -> None:
        """Keep digests of `{token: scopes}`."""
        self._held = [
            (digest, Caller(name=f"token:{digest.hex()[:12]}", scopes=scopes))
            for token, scopes in (tokens or {}).items()
            for digest in [_digest(token)]
        ]

    def find(self, token: str) -> Caller | None:
        """Return who holds this token; compares in constant time."""
        digest, found = _digest(token), None
        for held, caller in self._held:
            if hmac.compare_digest(digest, held):
                found = caller
        return found

    def named(self, name: str) -> Caller | None:
        """Return the holder of this name."""
        return next((caller for _, caller in self._held if caller.name == name), None)


class Admit:
    """The room. Thread-safe. Nothing is kept in memory: a token that is revoked, a user who is removed, is out at once."""

    def __init__(self, store: Store, fixed: FixedTokens | None = None, cost: Cost | None = None) -> None:
        """Know the users and tokens in `store`, and the `fixed` ones of the settings."""
        self._store, self._fixed, self._cost = store, fixed or FixedTokens(), cost or Cost()
        self._hashing = BoundedSemaphore(HASHED_AT_ONCE)

    # --- who is it

    def find(self, token: str) -> Caller | None:
        """Return who holds this token, None for nobody (unknown, revoked)."""
        fixed = self._fixed.find(token)
        if fixed is not None or not token.startswith(PREFIX) or len(token) > MAX_TOKEN:
            return fixed
        with self._store.transaction() as tx:
            return _caller(tx.access.token(_digest(token)))

    def by_token(self, token: str) -> Viewer | None:
        """Return who comes to the console with this token, if it lets them look."""
        return _viewer(self.find(token))

    def by_password(self, email: str, password: str, now: datetime) -> Viewer | None:
        """Return who comes to the console with this password. Takes as long for an address that nobody has.

        Ten guesses in a row at an address, of whichever process, are heard; another one ten minutes after the last.
        """
        if len(password) > MOST:
            return None
        address = _address(email)
        with self._store.transaction() as tx:
            # Counted before it is known to be wrong: of many at once each would find that few were.
            if not tx.access.guess(_digest(address), now, now - PATIENCE, GUESSES):
                return None
            user = tx.access.user(address)
        with self._hashing:
            good = matches(password, _nobodys(self._cost) if user is None else user.password)
        if user is None or not good:
            return None
        with self._store.transaction() as tx:
            tx.access.forget_guesses(_digest(address))
        return _at_work(user)

    def leave(self, session: bytes, until: datetime) -> None:
        """End a session that would have lasted until then, in every process."""
        with self._store.transaction() as tx:
            tx.access.end_session(session, until)

    def still(self, holder: str, mark: str, session: bytes) -> Viewer | None:
        """Return a session's holder as they are now; None once it was left, or they are removed, revoked or have another
        password."""
        kind, _, name = holder.partition(":")
        with self._store.transaction() as tx:
            if tx.access.has_ended(session):
                return None
            if kind == "token":
                return _viewer(self._fixed.named(holder) or _caller(_by_id(tx, name)))
            user = tx.access.user(name)
        found = None if user is None else _at_work(user)
        return found if found is not None and hmac.compare_digest(found.mark, mark) else None

    # --- users

    def users(self) -> Sequence[User]:
        """Return everybody who works here."""
        with self._store.transaction() as tx:
            return tx.access.users()

    def add_user(self, email: str, role: Role, password: str, by: Operator) -> User:
        """Let somebody in.

        Raises:
            AccessError: the address is none, or taken; the password is too short.
        """
        address = _address(email)
        if _ADDRESS.fullmatch(address) is None:
            raise AccessError(f"`{email}` is no e-mail address")
        user = User(email=address, role=role, password=self._hashed(password), created_at=by.now)
        with self._store.transaction() as tx:
            if not tx.access.add_user(user):
                raise AccessError(f"{address} is a user already; `engage user role` changes what they may do")
            _note(tx, by, "user_added", address, role=role)
        return user

    def set_role(self, email: str, role: Role, by: Operator) -> None:
        """Change what somebody may do, at once, in sessions that are open too.

        Raises:
            AccessError: there is no such user.
        """
        self._change(_address(email), by, "user_role", role=role)

    def set_password(self, email: str, password: str, by: Operator) -> None:
        """Give somebody another password; their open sessions end.

        Raises:
            AccessError: there is no such user, or the password is too short.
        """
        self._change(_address(email), by, "user_password", password=self._hashed(password))

    def remove_user(self, email: str, by: Operator) -> None:
        """Let somebody in no more; their open sessions end.

        Raises:
            AccessError: there is no such user.
        """
        address = _address(email)
        with self._store.transaction() as tx:
            if not tx.access.remove_user(address):
                raise AccessError(f"{address} is no user")
            _note(tx, by, "user_removed", address)

    def _change(
        self, address: str, by: Operator, action: str, role: Role | None = None, password: str | None = None
    ) -> None:
        with self._store.transaction() as tx:
            if not tx.access.change_user(address, role=role, password=password):
                raise AccessError(f"{address} is no user; `engage user add` makes one")
            _note(tx, by, action, address, **({} if role is None else {"role": role}))

    def _hashed(self, password: str) -> str:
        if not LEAST <= len(password) <= MOST:
            raise AccessError(f"a password has {LEAST} to {MOST} characters")
        return hashed(password, self._cost)

    # --- tokens

    def tokens(self) -> Sequence[Token]:
        """Return all tokens, revoked ones too."""
        with self._store.transaction() as tx:
            return tx.access.tokens()

    def create_token(self, name: str, scopes: Collection[Scope], by: Operator) -> NewToken:
        """Make a token.

        Raises:
            AccessError: it would allow nothing.
        """
        if not scopes:
            raise AccessError("a token needs at least one scope")
        text = PREFIX + secrets.token_urlsafe(32)
        token = Token(hash=_digest(text), name=name, scopes=frozenset(scopes), created_at=by.now)
        with self._store.transaction() as tx:
            tx.access.add_token(token)
            _note(tx, by, "token_created", f"token:{token.id}", name=name, scopes=sorted(scopes))
        return NewToken(text, token)

    def revoke(self, which: str, by: Operator) -> Token:
        """Revoke a token, named by its id, its name, or itself; from the commit on it opens nothing.

        Raises:
            AccessError: none, or several, that are not revoked go by this name.
        """
        with self._store.transaction() as tx:
            digest, plain = _digest(which), which.removeprefix("token:")
            found = [
                token
                for token in tx.access.tokens()
                if token.revoked_at is None and (token.hash == digest or plain in (token.id, token.name))
            ]
            if len(found) != 1:
                told = (
                    "no token that is not revoked"
                    if not found
                    else f"{len(found)} tokens; name one by its id"
                )
                raise AccessError(f"`{which if not which.startswith(PREFIX) else 'this'}` names {told}")
            tx.access.revoke(found[0].hash, by.now)
            _note(tx, by, "token_revoked", f"token:{found[0].id}", name=found[0].name)
            return found[0]


def _digest(token: str) -> bytes:
    # Random bits in, so a plain hash is enough: there is nothing to guess.
    return sha256(token.encode("utf-8", "replace")).digest()


def _address(email: str) -> str:
    return email.strip().lower()


@cache
def _nobodys(cost: Cost) -> str:
    """Return the hash that an unknown address is compared with."""
    return hashed(secrets.token_hex(16), cost)


def _caller(token: Token | None) -> Caller | None:
    if token is None or token.revoked_at is not None:
        return None
    return Caller(name=f"token:{token.id}", scopes=token.scopes)


def _by_id(tx: Transaction, name: str) -> Token | None:
    return next((token for token in tx.access.tokens() if token.id == name), None)


def _viewer(caller: Caller | None) -> Viewer | None:
    role = None if caller is None else role_of(caller.scopes)
    return None if caller is None or role is None else Viewer(name=caller.name, role=role)


def _at_work(user: User) -> Viewer:
    mark = sha256(user.password.encode()).hexdigest()[:16]
    return Viewer(name=f"user:{user.email}", role=user.role, mark=mark)


def _note(tx: Transaction, by: Operator, action: str, subject: str, **data: object) -> None:
    tx.trail.add(AuditEntry(at=by.now, actor=by.name, action=action, subject=subject, data=data))
