"""Add rate-limit counters shared by all processes of an installation."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "throttle_try",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_throttle_try")),
    )
    op.create_index("ix_throttle_try_at", "throttle_try", ["at"])
    op.create_index("ix_throttle_try_key_at", "throttle_try", ["key", "at"])


def downgrade() -> None:
    op.drop_table("throttle_try")
