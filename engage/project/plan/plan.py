"""Plan: what would change between what is live and what a folder holds, told part by part and step by step. Pure."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest

import msgspec
from pydantic import BaseModel

from engage.domain.journey.journey import Journey
from engage.project.kinds import Kind, read_definition
from engage.project.load import load_source
from engage.project.plan.meaning import meaning_of, plain
from engage.project.plan.steps import Edit, Part, step_parts
from engage.project.template_files import TemplateSource

Key = tuple[str, str]
"""Kind and name of a definition."""

_STEPS = frozenset({"steps", "on_exit"})


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One definition that changes."""

    kind: str
    name: str
    edit: Edit
    parts: tuple[Part, ...] = ()


def changes(live: Mapping[Key, str], wanted: Mapping[Key, str]) -> list[Change]:
    """Return what publishing `wanted` in place of `live` would change; both are texts as `Project.sources` holds them.

    An edit without a change of meaning is no change. Order: settings, law, audiences, traits, templates, journeys, by name.
    """
    keys = sorted({*live, *wanted}, key=_order)
    return [change for key in keys if (change := _change(key, live, wanted)) is not None]


_KINDS = (Kind.SETTINGS, Kind.LAW, Kind.AUDIENCE, Kind.TRAIT, Kind.TEMPLATE, Kind.JOURNEY)


def _order(key: Key) -> tuple[int, str]:
    return _KINDS.index(Kind(key[0])), key[1]


def _change(key: Key, live: Mapping[Key, str], wanted: Mapping[Key, str]) -> Change | None:
    kind, name = key
    if key not in wanted:
        return Change(kind=kind, name=name, edit=Edit.REMOVED)
    if key not in live:
        return Change(kind=kind, name=name, edit=Edit.ADDED)
    before, _ = load_source(kind, name, live[key])
    after, _ = load_source(kind, name, wanted[key])
    if before is not None and after is not None and meaning_of(before) == meaning_of(after):
        return None
    if before is None or after is None:
        return None if live[key] == wanted[key] else Change(kind=kind, name=name, edit=Edit.CHANGED)
    if isinstance(before, TemplateSource) and isinstance(after, TemplateSource):
        parts = list(_files(before, after))
    else:
        parts = list(_keys(Kind(kind), name, live[key], wanted[key]))
        if isinstance(before, Journey) and isinstance(after, Journey):
            parts += step_parts(before, after)
    return Change(kind=kind, name=name, edit=Edit.CHANGED, parts=tuple(parts))


def _files(before: TemplateSource, after: TemplateSource) -> Iterator[Part]:
    for name in sorted({*before.files, *after.files}):
        old, new = before.files.get(name), after.files.get(name)
        if old == new:
            continue
        if old is None or new is None:
            yield Part(part=name, edit=Edit.ADDED if old is None else Edit.REMOVED)
            continue
        if isinstance(old, str) and isinstance(new, str):
            shown = _first_difference(old, new)
            yield Part(part=name, edit=Edit.CHANGED, before=shown[0], after=shown[1])
        else:
            yield from _mapping_parts(f"{name} ", old, new)


def _first_difference(old: str, new: str) -> tuple[str, str]:
    pairs = zip_longest(old.splitlines(), new.splitlines(), fillvalue="")
    return next(((a.strip(), b.strip()) for a, b in pairs if a != b), ("", ""))


def _keys(kind: Kind, name: str, before: str, after: str) -> Iterator[Part]:
    """Compare the keys of two files as they are written; keys that mean the same are left out."""
    old, new = read_definition(kind, name, before, ""), read_definition(kind, name, after, "")
    data = [d.document.value() if d.document is not None else {} for d, _ in (old, new)]
    same = _same_fields(old[0].form, new[0].form)
    for part in _mapping_parts("", *data):
        if part.part not in _STEPS and part.part not in same:
            yield part


def _same_fields(before: BaseModel | None, after: BaseModel | None) -> frozenset[str]:
    if before is None or after is None:
        return frozenset()
    return frozenset(
        field.alias or name
        for name, field in type(before).model_fields.items()
        if plain(getattr(before, name)) == plain(getattr(after, name))
    )


def _mapping_parts(prefix: str, before: object, after: object) -> Iterator[Part]:
    old = before if isinstance(before, dict) else {"": before}
    new = after if isinstance(after, dict) else {"": after}
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) == new.get(name):
            continue
        edit = Edit.ADDED if name not in old else Edit.REMOVED if name not in new else Edit.CHANGED
        yield Part(
            part=f"{prefix}{name}".strip(),
            edit=edit,
            before=flow(old[name]) if name in old else None,
            after=flow(new[name]) if name in new else None,
        )


def flow(value: object) -> str:
    """Return a YAML value on one line, as a person would write it."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(flow(item) for item in value) + "]"
        case _:
            return " ".join(str(value).split())
