"""Add notification settings per email address, and additional low-balance alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "account", sa.Column("mail_opt_outs", sa.JSON(), nullable=False, server_default="{}")
    )
    op.add_column(
        "low_balance_settings",
        sa.Column("notification_steps", sa.JSON(), nullable=False, server_default="[]"),
    )
    op.add_column("low_balance_settings", sa.Column("armed_below", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE low_balance_settings SET armed_below = "
        "CASE WHEN armed THEN notification_threshold END"
    )
    op.drop_column("low_balance_settings", "armed")


def downgrade() -> None:
    op.add_column(
        "low_balance_settings",
        sa.Column("armed", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    op.execute("UPDATE low_balance_settings SET armed = armed_below IS NOT NULL")
    op.drop_column("low_balance_settings", "armed_below")
    op.drop_column("low_balance_settings", "notification_steps")
    op.drop_column("account", "mail_opt_outs")
