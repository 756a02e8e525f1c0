"""Add the next time at which an account must be checked again (T4)."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

INDEX = "ix_low_balance_settings_look_again_at"


def upgrade() -> None:
    op.add_column("low_balance_settings", sa.Column("look_again_at", sa.DateTime(timezone=True)))
    waiting = sa.text("look_again_at IS NOT NULL")
    op.create_index(
        INDEX,
        "low_balance_settings",
        ["look_again_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )


def downgrade() -> None:
    op.drop_index(INDEX, "low_balance_settings")
    op.drop_column("low_balance_settings", "look_again_at")
