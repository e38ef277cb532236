"""What of a project's settings decides how a call is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from engage.domain.profile.spelling import camel
from engage.domain.project_settings import ProjectSettings

BUILT_IN = frozenset({"user_id", "anonymous_id", "email", "phone"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Made once per epoch of the definitions, read for every call."""

    region: str = "US"
    identifiers: Mapping[str, str] = field(default_factory=dict)
    """Key of a trait or property, in both spellings → the project's own identifier it holds."""
    topics: Mapping[str, str] = field(default_factory=dict)
    """Name or title of a topic in lower case → its name."""

    @classmethod
    def of(cls, settings: ProjectSettings) -> Self:
        """Return the rules that `settings` make."""
        own = [name for name in settings.identity.identifiers if name not in BUILT_IN]
        titles = {topic.title.casefold(): name for name, topic in settings.topics.items() if topic.title}
        return cls(
            region=settings.region,
            identifiers={key: name for name in own for key in (name, camel(name))},
            topics=titles | {name.casefold(): name for name in settings.topics},
        )
