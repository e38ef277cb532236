"""Which older code may still run on this schema. Run before the deployment: older code does not ask."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SCHEMA = """
ALTER TABLE project ADD COLUMN oldest text NOT NULL DEFAULT '0001';
COMMENT ON COLUMN project.oldest IS 'the step that the oldest code which may run here needs';
"""


def upgrade() -> None:
    """Add the column."""
    op.get_bind().exec_driver_sql(_SCHEMA)


def downgrade() -> None:
    """Drop it."""
    op.get_bind().exec_driver_sql("ALTER TABLE project DROP COLUMN oldest")
