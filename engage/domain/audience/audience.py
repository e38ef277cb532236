"""Audiences and computed traits as forms."""

from typing import Any, Literal

from pydantic import model_validator

from engage.domain.expression import Place
from engage.domain.forms import Form, KebabName, PlainText, VariableName, expression_field, mistake


class Audience(Form):
    """A named set of people: by a rule that is true at every instant, or by hand."""

    audience: KebabName
    description: PlainText = ""
    where: expression_field(Place.AUDIENCE) | None = None  # type: ignore[valid-type]  # built by a factory
    members: Literal["manual"] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Audience":
        if (self.where is None) == (self.members is None):
            raise mistake("an audience needs `where` or `members: manual`, and only one of them")
        return self

    @property
    def name(self) -> str:
        """Its name."""
        return self.audience

    @property
    def manual(self) -> bool:
        """Whether people are put in by hand."""
        return self.where is None


class ComputedTrait(Form):
    """A trait computed from history; a write from outside is refused and recorded."""

    trait: VariableName
    description: PlainText = ""
    value: expression_field(Place.TRAIT)  # type: ignore[valid-type]  # built by a factory

    @property
    def name(self) -> str:
        """Its name."""
        return self.trait


def audience_of(name: str, definition: Any) -> dict[str, Any]:
    """Return the document that a scenario's short form `{name: expression}` stands for."""
    if isinstance(definition, dict):
        return {"audience": name, **definition}
    return {"audience": name, "where": definition}


def trait_of(name: str, definition: Any) -> dict[str, Any]:
    """Return the document that a scenario's short form `{name: expression}` stands for."""
    if isinstance(definition, dict):
        return {"trait": name, **definition}
    return {"trait": name, "value": definition}
