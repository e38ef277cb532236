"""Spelling: Segment's reserved traits in camelCase and in snake_case name one trait, kept in snake_case."""

from collections.abc import Mapping
from typing import Any

from engage.domain.fact import Json

# Segment's reserved user traits that differ between the two spellings (Spec: Identify, read Nov 2025).
_TRAITS = {"createdAt": "created_at", "firstName": "first_name", "lastName": "last_name"}
_INSIDE = {"address": {"postalCode": "postal_code"}, "company": {"employeeCount": "employee_count"}}
_GROUP = {"createdAt": "created_at"}


def user_traits(traits: Json) -> Json:
    """Return a person's traits under their canonical names. Where both spellings are there, snake_case wins."""
    renamed = _renamed(traits, _TRAITS)
    for name, names in _INSIDE.items():
        part = renamed.get(name)
        if isinstance(part, dict) and not names.keys().isdisjoint(part):
            renamed = {**renamed, name: _renamed(part, names)}
    return renamed


def trait_path(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the canonical form of a path into a person's traits."""
    first, *rest = keys
    first = _TRAITS.get(first, first)
    if rest and first in _INSIDE:
        rest[0] = _INSIDE[first].get(rest[0], rest[0])
    return (first, *rest)


def both_spellings(traits: Mapping[str, Any]) -> Json:
    """Return traits as a template may name them: the reserved ones under either spelling."""
    told = dict(traits)
    for name, names in _INSIDE.items():
        part = told.get(name)
        if isinstance(part, dict):
            told[name] = _with_camel(part, names)
    return _with_camel(told, _TRAITS)


def _with_camel(values: Json, names: dict[str, str]) -> Json:
    return values | {camel: values[snake] for camel, snake in names.items() if snake in values}


def group_traits(traits: Json) -> Json:
    """Return a group's traits under their canonical names."""
    return _renamed(traits, _GROUP)


def snake(name: str) -> str:
    """Return a camelCase name in snake_case (`loyaltyId` → `loyalty_id`)."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def camel(name: str) -> str:
    """Return a snake_case name in camelCase (`loyalty_id` → `loyaltyId`)."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _renamed(values: Json, names: dict[str, str]) -> dict[str, Any]:
    if names.keys().isdisjoint(values):
        return values
    kept = {name: value for name, value in values.items() if name not in names}
    for name, canonical in names.items():
        if name in values:
            kept.setdefault(canonical, values[name])
    return kept
