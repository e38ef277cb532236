"""Which calls of a sender with a rate are under way, and who was told to slow down. Run before the deployment."""

from alembic import op

revision = "0009"
down_revision = "0008"
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
CREATE TABLE slowness (
    sender text COLLATE "C" PRIMARY KEY,
    at timestamptz NOT NULL,
    factor double precision NOT NULL,
    code text COLLATE "C" NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE slowness IS 'senders whom their provider told to slow down: when, by how much, and with which code';
"""


def upgrade() -> None:
    """Create the tables."""
    op.get_bind().exec_driver_sql(_SCHEMA)


def downgrade() -> None:
    """Drop them."""
    op.get_bind().exec_driver_sql("DROP TABLE sender_call, slowness")
