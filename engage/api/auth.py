"""Who calls: write keys of Segment's wire, and API tokens with scopes."""

import hmac
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Protocol, Self

from engage.api.answers import ApiError


class Scope(StrEnum):
    """What a token may do."""

    PROFILES_READ = "profiles:read"
    PROFILES_WRITE = "profiles:write"
    CONSENT_WRITE = "consent:write"
    JOURNEYS_READ = "journeys:read"
    JOURNEYS_START = "journeys:start"
    DELIVERIES_READ = "deliveries:read"
    DELIVERIES_WRITE = "deliveries:write"
    AUDIENCES_READ = "audiences:read"
    AUDIENCES_WRITE = "audiences:write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteKey:
    """A write key: `source` stands for it wherever something is stored, so that the key itself is nowhere."""

    source: str
    browser: bool = False


@dataclass(frozen=True, slots=True)
class WriteKeys:
    """All write keys, as the settings name them."""

    by_key: Mapping[str, WriteKey] = field(repr=False)

    @classmethod
    def of(cls, kinds: Mapping[str, bool]) -> Self:
        """Return the keys of `{key: is it a browser key}`."""
        return cls({key: WriteKey(source=source_of(key), browser=browser) for key, browser in kinds.items()})

    def find(self, *candidates: str | None) -> WriteKey | None:
        """Return the first of the candidates that is a key of ours."""
        for candidate in candidates:
            if candidate and (key := self.by_key.get(candidate)) is not None:
                return key
        return None


def source_of(key: str) -> str:
    """Return what stands for a write key in the database: stable, and not the key."""
    return f"key:{sha256(key.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who holds a token, and what it allows."""

    name: str
    """Stands in audit lines; not the token."""
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Return whether this caller may do what asks for `scope`; an admin may do everything."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class TokenBook(Protocol):
    """Knows API tokens; they are stored hashed."""

    def find(self, token: str) -> Caller | None:
        """Return who holds this token, None for nobody (unknown, revoked). May ask the database."""
        ...


class FixedTokens:
    """The bootstrap tokens of the settings: admins all."""

    def __init__(self, tokens: Mapping[str, frozenset[Scope]] | None = None) -> None:
        """Keep digests of `{token: scopes}`."""
        self._held = [
            (
                sha256(token.encode()).digest(),
                Caller(name=f"token:{sha256(token.encode()).hexdigest()[:8]}", scopes=scopes),
            )
            for token, scopes in (tokens or {}).items()
        ]

    def find(self, token: str) -> Caller | None:
        """Return who holds this token; compares in constant time."""
        digest, found = sha256(token.encode()).digest(), None
        for held, caller in self._held:
            if hmac.compare_digest(digest, held):
                found = caller
        return found


def credential(authorization: bytes | None) -> str | None:
    """Return the key or token of an `Authorization` header: the Basic user name, or the Bearer token."""
    if not authorization:
        return None
    scheme, _, value = authorization.partition(b" ")
    match scheme.lower():
        case b"basic":
            try:
                user, _, _ = b64decode(value.strip()).partition(b":")
                return user.decode() or None
            except ValueError:
                return None
        case b"bearer":
            return value.strip().decode("latin-1") or None
        case _:
            return None


def authorized(tokens: TokenBook, authorization: bytes | None, scope: Scope) -> Caller:
    """Return the caller.

    Raises:
        ApiError: 401 without a token of ours, 403 if it does not allow `scope`.
    """
    token = credential(authorization)
    caller = tokens.find(token) if token is not None else None
    if caller is None:
        raise ApiError(
            401,
            "unauthorized",
            "Send a token of `engage token create` as `Authorization: Bearer …`.",
            headers={"www-authenticate": 'Bearer realm="engage"'},
        )
    if not caller.may(scope):
        raise ApiError(403, "forbidden", f"This token does not allow `{scope}`.", {"scope": str(scope)})
    return caller
