"""The one error of this room: an expression that cannot be understood, told in a marketer's words."""

from __future__ import annotations


class ExpressionError(ValueError):
    """An expression or text was refused when it was compiled.

    Attributes:
        message: what is wrong, one clause without a full stop.
        hint: what to write instead; empty if there is nothing to suggest.
        offset: 0-based character offset in the source at which the mistake stands.
    """

    def __init__(self, message: str, *, hint: str = "", offset: int = 0) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint
        self.offset = offset

    def moved(self, by: int) -> ExpressionError:
        """Return the same error with its position moved, for an expression that stands inside a text."""
        return ExpressionError(self.message, hint=self.hint, offset=self.offset + by)
