"""Add the largest automatic charge, an explicit "no daily limit", and refused usage records."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

NOT_USAGE = sa.text("kind <> 'usage'")
TOO_LARGE = sa.text("code = 'usage_too_large'")


def upgrade() -> None:
    op.add_column("low_balance_settings", sa.Column("largest_charge", sa.BigInteger()))
    op.add_column(
        "low_balance_settings",
        sa.Column("no_day_limit", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_index(
        "ix_ledger_entry_not_usage",
        "ledger_entry",
        ["account_id", "posted_at"],
        sqlite_where=NOT_USAGE,
        postgresql_where=NOT_USAGE,
    )
    op.create_index(
        "ix_decision_usage_too_large",
        "decision",
        ["last_at"],
        sqlite_where=TOO_LARGE,
        postgresql_where=TOO_LARGE,
    )


def downgrade() -> None:
    op.drop_index("ix_decision_usage_too_large", "decision")
    op.drop_index("ix_ledger_entry_not_usage", "ledger_entry")
    op.drop_column("low_balance_settings", "no_day_limit")
    op.drop_column("low_balance_settings", "largest_charge")
