"""The words of quarantined facts, by which erasing finds them. Run before the deployment: what older code puts aside has none, and is read through."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and its index; what is there already stays without words."""
    run = op.get_bind().exec_driver_sql
    run("ALTER TABLE quarantine ADD COLUMN words text[]")
    run("CREATE INDEX quarantine_words ON quarantine USING gin (words)")
    run("CREATE INDEX quarantine_unread ON quarantine (id) WHERE words IS NULL")


def downgrade() -> None:
    """Drop them."""
    op.get_bind().exec_driver_sql("ALTER TABLE quarantine DROP COLUMN words")
