"""Segment's Profile API over our profiles, so that code written against it reads on: same paths, parameters and shapes.

Differences are documented where they are: we keep more than 14 days of events but answer 14 unless `start` says
otherwise, as Segment does; `traits` gives 20 a page unless told (its pages say 10 and 20).
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.routing import APIRoute

from engage.api.answers import ApiError, to_json
from engage.api.commands import json_response
from engage.api.deps import ApiDeps
from engage.api.inputs import invalid, needs
from engage.api.reading import MAX_PAGE, People
from engage.domain.access import Caller, Scope
from engage.domain.fact import Identifier
from engage.domain.profile.profile import Event, Profile
from engage.domain.turn.changes import Origin
from engage.engine.canonical.times import instant
from engage.engine.people.profiles import SOURCE as FILES

LOOKBACK = timedelta(days=14)
MAX_LOOKED_AT = 5_000
"""Events looked through for one answer; who needs more asks by `start` and `end`."""
_READ_AT_ONCE = 500
_PATH = "/v1/spaces/{space}/collections/users/profiles/{person:path}"
_OLD, _NEW = "/v1/namespaces/", "/v1/spaces/"
"""What the same paths were called once; clients of that time read on."""

Names = Annotated[str | None, Query(max_length=10_000)]
Next = Annotated[str | None, Query(alias="next", max_length=1_000)]


def profile_api_routes(deps: ApiDeps) -> APIRouter:
    """Return the routes; `space` may be anything: there is one."""
    router = APIRouter(tags=["Profile API"], route_class=_Numbered)
    people = People(deps)
    may_read = Depends(needs(deps, Scope.PROFILES_READ))

    @router.get(f"{_PATH}/traits")
    def traits(
        person: str,
        request: Request,
        _caller: Annotated[Caller, may_read],
        include: Names = None,
        kind: Annotated[str | None, Query(alias="class")] = None,
        verbose: bool = False,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
        after: Next = None,
    ) -> Response:
        """Traits by name; an audience is a trait too, true inside and false outside."""
        profile = people.profile(person)
        known = _traits(deps, people, profile, kind)
        wanted = _names(include)
        names = sorted(name for name in known if wanted is None or name in wanted)
        part, cursor = _cut(request, [name for name in names if not after or name > after], limit)
        memberships = deps.reading.audiences(profile.id) if verbose else []
        since = {membership.audience: membership.since for membership in memberships}
        return json_response(
            {
                "traits": {
                    name: _verbose(profile, since, name, known[name]) if verbose else known[name]
                    for name in part
                },
                "cursor": cursor,
            }
        )

    @router.get(f"{_PATH}/external_ids")
    def external_ids(
        person: str,
        request: Request,
        _caller: Annotated[Caller, may_read],
        include: Names = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 25,
        after: Next = None,
    ) -> Response:
        """Everything that names this person."""
        profile = people.profile(person)
        wanted = _names(include)
        named = {
            f"{name.kind}:{name.value}": name
            for name in profile.identifiers
            if wanted is None or name.kind in wanted
        }
        keys = sorted(key for key in named if not after or key > after)
        part, cursor = _cut(request, keys, limit)
        origins = deps.reading.origins(profile.id)
        found = [_external_id(named[key], profile, origins.get(named[key])) for key in part]
        data = _with_sources(deps, found, "first_message_id")
        return json_response({"data": data, "cursor": cursor})

    @router.get(f"{_PATH}/events")
    def events(
        person: str,
        request: Request,
        _caller: Annotated[Caller, may_read],
        include: Names = None,
        exclude: Names = None,
        start: str | None = None,
        end: str | None = None,
        sort: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 10,
        after: Next = None,
    ) -> Response:
        """What happened to this person."""
        profile = people.profile(person)
        since = _instant(start, "start") or deps.clock.now() - LOOKBACK
        until = _instant(end, "end")
        only, never = _names(include), _names(exclude) or frozenset()
        found = [
            event
            for event in _recent(deps, profile, since)
            if (until is None or event.timestamp <= until)
            and (only is None or event.name in only)
            and event.name not in never
        ]
        by_key = {_place(event): event for event in found}
        ascending = sort == "asc"
        keys = [
            key
            for key in sorted(by_key, reverse=not ascending)
            if not after or (key > after if ascending else key < after)
        ]
        part, cursor = _cut(request, keys, limit)
        names = [_named(name) for name in profile.identifiers]
        data = _with_sources(deps, [_event(by_key[key], names) for key in part], "message_id")
        return json_response({"data": data, "cursor": cursor})

    @router.get(f"{_PATH}/metadata")
    def metadata(person: str, _caller: Annotated[Caller, may_read]) -> Response:
        """When this person became known, and last changed."""
        profile = people.profile(person)
        recent = deps.reading.events(profile.id, None, _READ_AT_ONCE).items
        told = [event for event in recent if event.type != "engine"]
        last = max(told, key=lambda event: event.arrival, default=None)
        first = next(iter(deps.reading.origins(profile.id).values()), None)
        changed = [times.written for times in profile.trait_times.values()]
        seen = [event.received_at for event in recent]
        first_id = None if first is None else first.message_id
        last_id = None if last is None else last.id
        sources = _sources(deps, [first_id, last_id])
        return json_response(
            {
                "metadata": {
                    "created_at": profile.created_at,
                    "updated_at": max([profile.created_at, *changed, *seen]),
                    "expires_at": None,
                    "first_message_id": first_id,
                    "first_source_id": sources.get(first_id or ""),
                    "last_message_id": last_id,
                    "last_source_id": sources.get(last_id or ""),
                }
            }
        )

    @router.get(f"{_PATH}/links")
    def links(person: str, request: Request, _caller: Annotated[Caller, may_read]) -> Response:
        """The accounts this person belongs to."""
        profile = people.profile(person)
        origins = deps.reading.origins(profile.id)
        groups = [name for name in profile.identifiers if name.kind == "group_id"]
        found = [_external_id(name, profile, origins.get(name), "accounts") for name in groups]
        told = _with_sources(deps, found, "first_message_id")
        data = [{"to_collection": "accounts", "external_ids": [one]} for one in told]
        return json_response({"data": data, "cursor": _cut(request, [], 20)[1]})

    return router


_CODES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "authentication_error",
    404: "not_found",
    429: "rate_limit_error",
}


def is_segments(path: str) -> bool:
    """Return whether a path is of this API."""
    return path.startswith((_NEW, _OLD))


def by_its_present_name(path: str) -> str:
    """Return a path of this API as it is called today."""
    return _NEW + path.removeprefix(_OLD) if path.startswith(_OLD) else path


def request_id() -> dict[str, str]:
    """Return the header that names one answer, for who asks about it."""
    return {"Request-Id": str(uuid4())}


class _Numbered(APIRoute):
    """A route whose answers carry a `Request-Id`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Answer, and add the header."""
        answer = super().get_route_handler()

        async def numbered(request: Request) -> Response:
            response = await answer(request)
            response.headers.update(request_id())
            return response

        return numbered


def in_both_shapes(error: ApiError) -> bytes:
    """Return an error in both shapes: Segment's clients look for the code one level down."""
    inner = {"code": _CODES.get(error.status, "internal_error"), "message": error.message}
    return to_json({"code": error.code, "message": error.message, "details": error.details, "error": inner})


def _traits(deps: ApiDeps, people: People, profile: Profile, kind: str | None) -> dict[str, Any]:
    inside = {membership.audience for membership in deps.reading.audiences(profile.id)}
    audiences = {name: name in inside for name in {*inside, *deps.catalog().audiences}}
    traits, computed = people.traits(profile), deps.catalog().traits
    match kind:
        case None:
            return {**audiences, **traits}
        case "audience":
            return audiences
        case "computed_trait":
            return {name: value for name, value in traits.items() if name in computed}
        case _:
            raise invalid("`class` is `audience` or `computed_trait`")


def _verbose(profile: Profile, since: Mapping[str, datetime], name: str, value: Any) -> dict[str, Any]:
    """Return a trait with when it was written; an audience, with since when this person is in it."""
    times = profile.trait_times.get(name)
    updated_at = since.get(name) if times is None else times.written
    return {"value": value, "source_id": None, "updated_at": updated_at}


def _recent(deps: ApiDeps, profile: Profile, since: datetime) -> Iterable[Event]:
    after, looked = None, 0
    while looked < MAX_LOOKED_AT:
        page = deps.reading.events(profile.id, after, _READ_AT_ONCE)
        for event in page.items:
            if event.timestamp < since:
                return
            yield event
        looked += len(page.items)
        after = page.next
        if after is None:
            return


def _place(event: Event) -> str:
    """Return where an event stands among the others; a page's cursor is its last one's, and a `+` in it would be a blank in a URL."""
    at = event.timestamp.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{at}Z~{event.arrival:020}~{event.id}"


def _event(event: Event, names: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "external_ids": names,
        "context": {},
        "type": "track" if event.type in ("engine", "reserved") else event.type,
        "message_id": event.id,
        "source_id": None,
        "timestamp": event.timestamp,
        "properties": event.properties,
        "event": event.name,
        "related": {},
    }


def _named(name: Identifier, collection: str = "users") -> dict[str, Any]:
    return {"collection": collection, "type": name.kind, "id": name.value, "encoding": "none"}


def _external_id(
    name: Identifier, profile: Profile, origin: Origin | None, collection: str = "users"
) -> dict[str, Any]:
    return {
        **_named(name, collection),
        "source_id": None,
        "created_at": profile.created_at if origin is None else origin.at,
        "first_message_id": None if origin is None else origin.message_id,
    }


def _sources(deps: ApiDeps, messages: Iterable[str | None]) -> Mapping[str, str]:
    """Return which write key, or file, each message came by: as long as messages are known again."""
    asked = {message for message in messages if message}
    return deps.reading.sources(asked, {*deps.keys.sources, FILES}) if asked else {}


def _with_sources(deps: ApiDeps, shapes: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    sources = _sources(deps, (shape[by] for shape in shapes))
    return [{**shape, "source_id": sources.get(shape[by])} for shape in shapes]


def _names(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(part for part in text.split(",") if part)


def _instant(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    at = instant(text)
    if at is None:
        raise invalid(f"`{name}` is ISO 8601")
    return at


def _cut(request: Request, keys: list[str], limit: int) -> tuple[list[str], dict[str, Any]]:
    """Return the first `limit` keys, and Segment's cursor behind them: the last key given."""
    part = keys[:limit]
    more = len(keys) > limit
    cursor = {"url": request.url.path, "has_more": more, "next": part[-1] if more else "", "limit": limit}
    return part, cursor
