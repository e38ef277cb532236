"""Which calls of a sender with a rate are under way, so that no second holds more than the rate. Run before the deployment."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SCHEMA = """
CREATE TABLE sender_call (
    call text COLLATE "C" PRIMARY KEY,
    sender text COLLATE "C" NOT NULL,
    cost integer NOT NULL,
    until timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX sender_call_of ON sender_call (sender);
COMMENT ON TABLE sender_call IS 'calls that count against a sender''s rate until an instant; at most a second''s worth per sender';
"""


def upgrade() -> None:
    """Create the table."""
    op.get_bind().exec_driver_sql(_SCHEMA)


def downgrade() -> None:
    """Drop it."""
    op.get_bind().exec_driver_sql("DROP TABLE sender_call")
