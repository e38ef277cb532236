"""What aggregates keep of the events they have counted. Run before the deployment."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SCHEMA = """
CREATE TABLE fold (
    profile_id uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    upto timestamptz NOT NULL,
    state jsonb NOT NULL,
    PRIMARY KEY (profile_id, key)
) WITH (
    fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.05
);
COMMENT ON COLUMN fold.upto IS 'what happened then or before is counted in state, and nothing later';
ALTER TABLE project ADD COLUMN folding boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN project.folding IS 'whether every process that may run here keeps folds';
"""


def upgrade() -> None:
    """Create the table."""
    op.get_bind().exec_driver_sql(_SCHEMA)


def downgrade() -> None:
    """Drop it: aggregates read the events that are kept."""
    run = op.get_bind().exec_driver_sql
    run("DROP TABLE fold")
    run("ALTER TABLE project DROP COLUMN folding")
