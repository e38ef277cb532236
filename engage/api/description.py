"""Description: the OpenAPI document — what every route takes, what a caller needs for it, and the one shape of errors."""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import msgspec
from fastapi.routing import APIRoute

from engage.api.inputs import needed_scope
from engage.domain.fact import Kind

Json = dict[str, Any]
_REF = "#/components/schemas/{name}"
_TYPES: dict[str, type] = {}
_ERROR = {
    "type": "object",
    "required": ["code", "message", "details"],
    "properties": {
        "code": {"type": "string", "description": "Stable; what programs look at."},
        "message": {"type": "string", "description": "For people."},
        "details": {"type": "object"},
    },
}
_CALL = {
    "type": "object",
    "description": "A call as Segment's clients send it, at most 32 KB. Unknown fields are kept.",
    "properties": {
        "userId": {"type": ["string", "null"]},
        "anonymousId": {"type": ["string", "null"]},
        "messageId": {"type": ["string", "null"], "maxLength": 100},
        "timestamp": {"type": ["string", "null"]},
        "sentAt": {"type": ["string", "null"]},
        "context": {"type": ["object", "null"]},
        "event": {"type": "string"},
        "properties": {"type": "object"},
        "traits": {"type": "object"},
        "previousId": {"type": "string"},
        "groupId": {"type": "string"},
    },
}
_BATCH = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {"type": "array", "maxItems": 2500, "items": {"$ref": "#/components/schemas/Call"}}
    },
}
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token with the scope the route names."},
    "write_key": {
        "type": "http",
        "scheme": "basic",
        "description": "A write key as the user name, no password.",
    },
}


def takes(kind: type) -> Json:
    """Return what a route says of its body: `openapi_extra=takes(SendRequest)`."""
    _TYPES[kind.__name__] = kind
    return _body({"$ref": _REF.format(name=kind.__name__)})


def describe(document: Mapping[str, Any], routes: Iterable[Any]) -> Json:
    """Return the document that FastAPI makes, completed: bodies, scopes, errors, and the routes beside FastAPI."""
    found = deepcopy(dict(document))
    paths = found["paths"]
    scopes = {(path, method): scope for path, method, scope in _scopes(routes)}
    for path, methods in paths.items():
        for method, operation in methods.items():
            operation["responses"].pop("422", None)  # we say 400, in our own shape
            scope = scopes.get((path, method))
            if scope is not None:
                operation["security"] = [{"token": []}]
                operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope}`.".strip()
            elif path == "/v1/signals":
                operation["security"] = [{"write_key": []}]
    paths.update(_wire())
    for methods in paths.values():
        for operation in methods.values():
            operation["responses"]["default"] = _answer("Something is wrong; `code` says what.", "Error")
    _, schemas = msgspec.json.schema_components(list(_TYPES.values()), ref_template=_REF)
    schemas |= {"Error": _ERROR, "Call": _CALL, "Batch": _BATCH}
    found["components"] = {"schemas": dict(sorted(schemas.items())), "securitySchemes": _SCHEMES}
    return found


def _scopes(routes: Iterable[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield path, method and scope of every route that asks for one."""
    for route in routes:
        if isinstance(route, APIRoute):
            for dependency in route.dependant.dependencies:
                scope = needed_scope(dependency.call)
                if scope is not None:
                    for method in route.methods or ():
                        yield route.path_format, method.lower(), scope
        elif (inner := getattr(route, "original_router", None)) is not None:
            yield from _scopes(inner.routes)


def _wire() -> Json:
    """Return Segment's wire, which is answered before FastAPI sees it."""
    tags = ["Segment's wire"]
    success = {"200": _answer("Durable.", None)}
    found: Json = {}
    for kind in Kind:
        found[f"/v1/{kind.value}"] = {
            "post": {
                "tags": tags,
                "summary": f"One `{kind.value}` call",
                "security": [{"write_key": []}],
                "responses": dict(success),
                **_body({"$ref": "#/components/schemas/Call"}),
            }
        }
    for path, summary in (("batch", "Up to 2,500 calls"), ("import", "History: triggers nothing")):
        found[f"/v1/{path}"] = {
            "post": {
                "tags": tags,
                "summary": summary,
                "security": [{"write_key": []}],
                "responses": dict(success),
                **_body({"$ref": "#/components/schemas/Batch"}),
            }
        }
    return found


def _body(schema: Json) -> Json:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _answer(description: str, name: str | None) -> Json:
    schema: Json = {"type": "object"} if name is None else {"$ref": _REF.format(name=name)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
