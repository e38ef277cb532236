"""Wrong passwords, counted for all processes together. Run before the deployment: older code counts its own."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_SCHEMA = """
CREATE TABLE guess (who bytea PRIMARY KEY, tries integer NOT NULL, at timestamptz NOT NULL);
COMMENT ON TABLE guess IS 'wrong passwords in a row by address';
COMMENT ON COLUMN guess.who IS 'the SHA-256 of the address: who guesses may type anything';
"""


def upgrade() -> None:
    """Create the table."""
    op.get_bind().exec_driver_sql(_SCHEMA)


def downgrade() -> None:
    """Drop it."""
    op.get_bind().exec_driver_sql("DROP TABLE guess")
