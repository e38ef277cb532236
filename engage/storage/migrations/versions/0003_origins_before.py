"""Since when an identifier names its person, and by which message. Run before the deployment: older code leaves it empty."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, empty for what is there: nobody knows any more."""
    op.get_bind().exec_driver_sql(
        "ALTER TABLE identifier ADD COLUMN since timestamptz, ADD COLUMN message_id text"
    )


def downgrade() -> None:
    """Drop them."""
    op.get_bind().exec_driver_sql("ALTER TABLE identifier DROP COLUMN since, DROP COLUMN message_id")
