"""The store in PostgreSQL: plain SQL in bulk statements, one file per aggregate."""

from engage.storage.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
