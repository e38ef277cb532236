"""Who calls: write keys of Segment's wire, and API tokens with scopes."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol, Self

from engage.api.answers import ApiError
from engage.domain.access import Caller, Scope


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

    @property
    def sources(self) -> frozenset[str]:
        """What stands for the keys wherever something is stored."""
        return frozenset(key.source for key in self.by_key.values())

    def find(self, *candidates: str | None) -> WriteKey | None:
        """Return the first of the candidates that is a key of ours."""
        for candidate in candidates:
            if candidate and (key := self.by_key.get(candidate)) is not None:
                return key
        return None


def source_of(key: str) -> str:
    """Return what stands for a write key in the database: stable, and not the key."""
    return f"key:{sha256(key.encode()).hexdigest()[:16]}"


class TokenBook(Protocol):
    """Knows API tokens; they are stored hashed."""

    def find(self, token: str) -> Caller | None:
        """Return who holds this token, None for nobody (unknown, revoked). May ask the database."""
        ...


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
