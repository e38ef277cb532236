"""Search: whom a few typed characters may mean."""

from collections.abc import Iterator
from uuid import UUID

from engage.domain.ids import ProfileId
from engage.domain.project_settings import ProjectSettings
from engage.engine.accept.requests import UnknownPersonError, person_named
from engage.engine.canonical.rules import Rules
from engage.ports.reading import Reading


def find_person(text: str, reading: Reading, settings: ProjectSettings) -> ProfileId | None:
    """Return whom `text` names: an address, any identifier, `kind:value`, or a profile's own id; None for nobody."""
    text = text.strip()
    rules = Rules.of(settings)
    for name in _readings(text, rules):
        try:
            identifier = person_named(name, rules)
        except UnknownPersonError:
            continue
        found = reading.find(identifier)
        if found is not None:
            return found
    try:
        key = reading.survivor(ProfileId(str(UUID(text))))
    except ValueError:
        return None
    return key if reading.profile(key) is not None else None


def _readings(text: str, rules: Rules) -> Iterator[str]:
    """Yield what the text may mean, the likeliest first."""
    if ":" in text:
        yield text
    if "@" in text:
        yield f"email:{text}"
    yield f"user_id:{text}"
    if sum(character.isdigit() for character in text) >= 5:
        yield f"phone:{text}"
    for kind in sorted(set(rules.identifiers.values())):
        yield f"{kind}:{text}"
    yield f"anonymous_id:{text}"
