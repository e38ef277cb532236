"""Inputs of our own API: bodies as typed requests, people as `kind:value`, and the `Idempotency-Key`."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from fastapi import Depends, Request

from engage.api.answers import ApiError
from engage.api.auth import authorized
from engage.api.bodies import headers_of, read_body
from engage.api.deps import ApiDeps, IdempotencyKeys
from engage.domain.access import Caller, Scope
from engage.domain.fact import Identifier, Json
from engage.domain.forms import ChannelField
from engage.engine.accept.requests import UnknownPersonError, person_named
from engage.engine.canonical.call import Refused, Unfit, read_item
from engage.engine.canonical.rules import Rules

MAX_LIST_BODY = 4 * 1024 * 1024
MAX_LIST = 10_000
"""People or subscriptions in one request."""
MAX_KEY = 255
_T = TypeVar("_T")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class Wanted(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A body whose fields are all known: a misspelt one is a mistake, not silence."""


class SubscriptionChange(Wanted, frozen=True):
    """One line of `PUT /v1/subscriptions`."""

    profile: Name
    channel: ChannelField
    state: Literal["subscribed", "unsubscribed"]
    topic: Name | None = None
    source: Annotated[str, msgspec.Meta(max_length=200)] = "api"
    proof: Annotated[str, msgspec.Meta(max_length=500)] | None = None


class SubscriptionChanges(Wanted, frozen=True):
    """`PUT /v1/subscriptions`."""

    subscriptions: Annotated[list[SubscriptionChange], msgspec.Meta(max_length=MAX_LIST)]


class SubscriptionQuery(Wanted, frozen=True):
    """`POST /v1/subscriptions/query`."""

    profile: Name


class StartRequest(Wanted, frozen=True):
    """`POST /v1/journeys/{j}/start`."""

    profile: Name
    entry: Json = {}
    key: str | int | None = None


class SendRequest(Wanted, frozen=True, rename={"variables": "with"}):
    """`POST /v1/deliveries`; without a channel by the only one that the template has."""

    channel: ChannelField | None = None
    profile: Name | None = None
    to: Name | None = None
    template: Name | None = None
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)] | None = None
    variables: Json = {}
    topic: Name | None = None
    sender: Name | None = None
    expires: str | None = None


class CodeRequest(Wanted, frozen=True):
    """`POST /v1/deliveries/{id}/check`."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]


class MemberChanges(Wanted, frozen=True):
    """`PUT /v1/audiences/{a}/members`."""

    add: Annotated[list[Name], msgspec.Meta(max_length=MAX_LIST)] | None = None
    remove: Annotated[list[Name], msgspec.Meta(max_length=MAX_LIST)] | None = None
    replace: Annotated[list[Name], msgspec.Meta(max_length=MAX_LIST)] | None = None


class StateChange(Wanted, frozen=True):
    """`PUT /v1/journeys/{j}/state`."""

    action: Literal["pause", "resume", "archive"]


class ReplayRequest(Wanted, frozen=True):
    """`POST /v1/quarantine/replay`: of the page after a cursor those of these ids (none: all), with this reason (none: any)."""

    after: Name | None = None
    ids: Annotated[list[int], msgspec.Meta(max_length=MAX_LIST)] = []
    reason: Name | None = None


class Resolved(Wanted, frozen=True, rename={"how": "as"}):
    """`PUT /v1/unknown/{delivery}`."""

    how: Literal["taken", "not-taken", "failed"]


class SendingChange(Wanted, frozen=True):
    """`PUT /v1/sending`; without a channel: all of them."""

    stopped: bool
    channel: ChannelField | None = None


class SignalRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`POST /v1/signals`; other fields of Segment's calls (context, type …) are let through."""

    event: Name
    properties: Json = {}
    message_id: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    timestamp: str | int | None = None
    sent_at: str | int | None = None
    write_key: str | None = None


def read_request(raw: bytes, kind: type[_T]) -> _T:
    """Return a body as the request it must be, numbers exact.

    Raises:
        ApiError: 400 that says what is wrong and where.
    """
    item = read_item(raw, MAX_LIST_BODY)
    if isinstance(item, Refused):
        code = "malformed_json" if item.reason is Unfit.MALFORMED else str(item.reason)
        raise ApiError(400, code, "The body is not JSON as we take it.", {"problem": item.detail})
    try:
        return msgspec.convert(item, kind)
    except msgspec.ValidationError as exc:
        raise invalid(str(exc)) from exc


def invalid(problem: str) -> ApiError:
    """The request is understood, and wrong."""
    return ApiError(400, "invalid_request", problem, {"problem": problem})


def person_of(text: str, rules: Rules) -> Identifier:
    """Return the person that `kind:value` names.

    Raises:
        ApiError: 400 if it names nobody.
    """
    try:
        return person_named(text, rules)
    except UnknownPersonError as exc:
        raise ApiError(400, "invalid_profile", f"`profile`: {exc}.") from exc


def uuid_of(text: str, what: str) -> str:
    """Return an id in its plain form.

    Raises:
        ApiError: 404 if it is none: nothing can be known by it.
    """
    try:
        return str(UUID(text))
    except ValueError as exc:
        raise ApiError(404, f"unknown_{what}", f"There is no such {what}.") from exc


def body_up_to(limit: int) -> Callable[[Request], Any]:
    """Return a dependency: the body, unzipped, of at most `limit` bytes."""

    async def read(request: Request) -> bytes:
        return await read_body(request.receive, headers_of(request.scope["headers"]), limit)

    return read


@dataclass(frozen=True, slots=True, eq=False)
class Needs:
    """A dependency: the caller, who may do what `scope` says."""

    deps: ApiDeps
    scope: Scope

    def __call__(self, request: Request) -> Caller:
        """Return the caller.

        Raises:
            ApiError: 401 or 403.
        """
        header = request.headers.get("authorization")
        return authorized(self.deps.tokens, header.encode("latin-1") if header else None, self.scope)


def needs(deps: ApiDeps, scope: Scope) -> Needs:
    """Return the dependency on a caller with this scope."""
    return Needs(deps, scope)


def needed_scope(dependency: object) -> Scope | None:
    """Return the scope a dependency asks for; None for one that is about something else."""
    return dependency.scope if isinstance(dependency, Needs) else None


Body = Annotated[bytes, Depends(body_up_to(MAX_LIST_BODY))]
"""Stands behind the caller: dependencies are met in their order, and nothing is read of who may not speak."""


def once(
    keys: IdempotencyKeys, request: Request, caller: Caller, raw: bytes, fresh: str, now: datetime
) -> str:
    """Return the id this request gets: `fresh`, or the one its `Idempotency-Key` got before.

    Raises:
        ApiError: 409 if another body came under the key within 24 hours; 400 for a key that is none.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return fresh
    if not key.strip() or len(key) > MAX_KEY:
        raise invalid(f"an Idempotency-Key has 1 to {MAX_KEY} characters")
    digest = hashlib.sha256(raw).hexdigest()
    place = f"{caller.name} {request.method} {request.url.path}"
    # A digest of it: clients make keys of what they have at hand, and an erased person must not be found by theirs.
    known, answer = keys.claim(place, hashlib.sha256(key.encode()).hexdigest(), digest, fresh, now)
    if known != digest:
        raise ApiError(409, "idempotency_conflict", "Another body came under this Idempotency-Key.")
    return answer
