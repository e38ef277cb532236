"""What can go wrong when an embedded service starts."""


class EmbeddedError(RuntimeError):
    """An embedded service cannot be started, attached to or stopped; the message says what to do."""
