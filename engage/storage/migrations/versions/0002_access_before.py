"""Users of the console. Run before the deployment."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SCHEMA = """
CREATE TABLE account (
    email text COLLATE "C" PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('viewer', 'editor', 'publisher', 'admin')),
    password text NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE account IS 'who works here';
COMMENT ON COLUMN account.password IS 'a hash, with how it was made';
"""


def upgrade() -> None:
    """Create the table."""
    op.get_bind().exec_driver_sql(_SCHEMA)


def downgrade() -> None:
    """Drop it."""
    op.get_bind().exec_driver_sql("DROP TABLE account")
