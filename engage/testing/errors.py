"""What makes a scenario stop before its end."""

from engage.domain.errors import EngageError


class ScenarioError(EngageError):
    """The scenario asks for something that is not there, or that this engine cannot do; the text says what."""


class UnusablePathError(EngageError):
    """A path that was named holds no scenarios."""
