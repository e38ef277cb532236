"""What providers' own lists of refused addresses hold, as we last saw it. Run before the deployment."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SCHEMA = """
CREATE TABLE listed (
    address text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    listing text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (address, provider, listing)
);
COMMENT ON TABLE listed IS 'providers'' own lists of refused addresses, as last seen';
"""


def upgrade() -> None:
    """Create the table."""
    op.get_bind().exec_driver_sql(_SCHEMA)


def downgrade() -> None:
    """Drop it."""
    op.get_bind().exec_driver_sql("DROP TABLE listed")
