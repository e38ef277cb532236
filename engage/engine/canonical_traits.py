"""Reserved traits: camelCase and snake_case name one trait, kept in snake_case."""

from typing import Any

from engage.domain.fact import Json

# Segment's reserved user traits that differ between the two spellings (Spec: Identify, read Nov 2025).
_TRAITS = {"createdAt": "created_at", "firstName": "first_name", "lastName": "last_name"}
_INSIDE = {"address": {"postalCode": "postal_code"}, "company": {"employeeCount": "employee_count"}}
_GROUP = {"createdAt": "created_at"}


def user_traits(traits: Json) -> Json:
    """Return identify's traits under their canonical names. Where both spellings are there, snake_case wins."""
    renamed = _renamed(traits, _TRAITS)
    for name, names in _INSIDE.items():
        part = renamed.get(name)
        if isinstance(part, dict) and not names.keys().isdisjoint(part):
            renamed = {**renamed, name: _renamed(part, names)}
    return renamed


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
