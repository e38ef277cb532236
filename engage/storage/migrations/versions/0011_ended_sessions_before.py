"""Sessions of the console that somebody signed out of. Run before the deployment: older code lets a copy live on."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SCHEMA = """
CREATE TABLE ended_session (id bytea PRIMARY KEY, until timestamptz NOT NULL);
COMMENT ON TABLE ended_session IS 'sessions of the console that were signed out of before their end';
COMMENT ON COLUMN ended_session.id IS 'the SHA-256 of what is signed: it opens nothing';
"""


def upgrade() -> None:
    """Create the table."""
    op.get_bind().exec_driver_sql(_SCHEMA)


def downgrade() -> None:
    """Drop it."""
    op.get_bind().exec_driver_sql("DROP TABLE ended_session")
