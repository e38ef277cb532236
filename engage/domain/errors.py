"""The errors of the house: accidents and mistakes. Expected refusals are values, never exceptions."""


class EngageError(Exception):
    """Root of every error we raise ourselves."""


class IdentityRaceError(EngageError):
    """Two digests met over one identifier or profile; roll back and run the turn again."""


class PoisonFactError(EngageError):
    """A fact cannot be digested whatever we try; it goes to quarantine with this text."""


class UnusableSettingsError(EngageError):
    """The house rules that are live do not compile with this release: nothing can be decided or sent lawfully."""


class StaleDefinitionError(EngageError):
    """A run needs a version of a journey that is not in the store."""
