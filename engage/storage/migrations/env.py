"""Env: what Alembic runs around the steps; the connection, and its transaction, come from `apply`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
