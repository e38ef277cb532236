"""Folds are kept. Run after the deployment: code that knows nothing of them would not count what comes late."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Have every process look again at what is live, if anything is."""
    op.get_bind().exec_driver_sql("UPDATE project SET folding = true, epoch = epoch + (epoch > 0)::integer")


def downgrade() -> None:
    """Forget them: who does not know them may work here again."""
    run = op.get_bind().exec_driver_sql
    run("UPDATE project SET folding = false, epoch = epoch + (epoch > 0)::integer")
    run("DELETE FROM fold")
