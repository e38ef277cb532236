"""Rule packs and places as files: those that come with the code, and how a project's own replace them."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from pydantic import BaseModel

from engage.domain.errors import UnusableSettingsError
from engage.domain.law import NO_LAW, Law, LawPack, Places
from engage.project.kinds import Kind, read_definition
from engage.project.validate import FormT, validate
from engage.project.yaml.reader import read

BUILT_IN = ("us", "ca", "eu", "fr")
"""The packs that come with the code."""
_FOLDER = "law_packs"


def law_of(names: Iterable[str], own: Mapping[str, LawPack]) -> Law:
    """Return the law a project keeps: the packs it names, its own before the built-in ones.

    Raises:
        UnusableSettingsError: there is no pack of a name.
    """
    packs = []
    for name in names:
        pack = own.get(name) or built_in(name)
        if pack is None:
            raise UnusableSettingsError(
                f"there is no rule pack `{name}`; there are: {', '.join(sorted({*BUILT_IN, *own}))}"
            )
        packs.append(pack)
    return Law(packs, places()) if packs else NO_LAW


@cache
def built_in(name: str) -> LawPack | None:
    """Return the pack of that name that comes with the code, or None."""
    if name not in BUILT_IN:
        return None
    definition, problems = read_definition(Kind.LAW, name, source_of(name), f"{_FOLDER}/{name}.yaml")
    assert isinstance(definition.form, LawPack), problems
    return definition.form


@cache
def places() -> Places:
    """Return what is known of countries, states, zones and area codes."""
    return _read(Places, source_of("places"), "places.yaml")


def source_of(name: str) -> str:
    """Return the text of one of these files."""
    return (files("engage.project") / _FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def _read(form: type[FormT], text: str, path: str) -> FormT:
    documents, problems = read(text, path)
    found: BaseModel | None = None
    if documents and not problems:
        found, problems = validate(form, documents[0])
    assert isinstance(found, form), problems
    return found
