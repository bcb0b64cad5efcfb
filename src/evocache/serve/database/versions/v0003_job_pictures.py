"""Make the table of version 3: `job_pictures`, pictures that were given for jobs, apart from what is read often."""

from __future__ import annotations

from evocache.extras import optional

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; requests of jobs that are there keep their pictures in their text."""
    op, sa = optional("alembic.op"), optional("sqlalchemy")
    op.create_table(
        "job_pictures",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("pictures", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    """Take the table away, with all pictures that were given."""
    optional("alembic.op").drop_table("job_pictures")
