"""Add the time of the email about a due refill that cannot be charged (T17)."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    mailed_at = sa.Column("blocked_mailed_at", sa.DateTime(timezone=True))
    op.add_column("low_balance_settings", mailed_at)


def downgrade() -> None:
    op.drop_column("low_balance_settings", "blocked_mailed_at")
