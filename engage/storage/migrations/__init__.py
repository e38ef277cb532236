"""Migrations: the schema's history, applied from code; every step works in both directions."""
