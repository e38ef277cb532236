"""When somebody's traits were told again, so that what is told late finds since when. Run before the deployment."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Whoever knows no such instants writes all times of a person without them.
_WITHOUT = """
UPDATE profile SET trait_times = (
    SELECT json_object_agg(key, json_build_array(value -> 0, value -> 1, value -> 2)) FROM json_each(trait_times)
)
WHERE json_array_length(told_again) > 0
"""


def upgrade() -> None:
    """Add the column; who is there already has their traits' first and last instants."""
    run = op.get_bind().exec_driver_sql
    run("ALTER TABLE profile ADD COLUMN told_again json NOT NULL DEFAULT '[]'")
    run(
        "COMMENT ON COLUMN profile.told_again IS"
        " 'instants, in microseconds since 1970, at which traits were told again; which ones: the fourth of trait_times, a bit each'"
    )


def downgrade() -> None:
    """Drop it, and with it what refers to it."""
    run = op.get_bind().exec_driver_sql
    run(_WITHOUT)
    run("ALTER TABLE profile DROP COLUMN told_again")
