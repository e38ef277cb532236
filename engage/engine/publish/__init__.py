"""Publish: versions, activation, and what must follow for everybody."""
