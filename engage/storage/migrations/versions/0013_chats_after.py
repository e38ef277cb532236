"""Chats are found by their provider's id. Run after the deployment: whoever looks before that looks longer."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index. Whoever followed the development has it, and lacks what was put in before it since, at 0011."""
    run = op.get_bind().exec_driver_sql
    run("CREATE TABLE IF NOT EXISTS ended_session (id bytea PRIMARY KEY, until timestamptz NOT NULL)")
    run(
        "CREATE INDEX IF NOT EXISTS delivery_chat ON delivery (provider_id) WHERE channel = 'chat' AND provider_id IS NOT NULL"
    )
    run(
        "COMMENT ON COLUMN delivery.ask_at IS"
        " 'due_at while the outcome is unknown, or a call is not answered yet and is to be taken back then'"
    )


def downgrade() -> None:
    """Drop it."""
    run = op.get_bind().exec_driver_sql
    run("DROP INDEX delivery_chat")
    run("COMMENT ON COLUMN delivery.ask_at IS 'due_at while the outcome is unknown'")
