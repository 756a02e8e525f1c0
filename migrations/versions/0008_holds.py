"""Add holds, and the number of open holds on each account so that usage can skip the query."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_hold_amount_is_above_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_hold_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    op.create_index(
        "uq_hold_account_id_reference", "hold", ["account_id", "reference"], unique=True
    )
    for name, column in (("ix_hold_open", "account_id"), ("ix_hold_expires_at", "expires_at")):
        op.create_index(name, "hold", [column], sqlite_where=OPEN, postgresql_where=OPEN)
    # Not in batch mode: that would copy the table and lose its triggers.
    op.add_column(
        "account", sa.Column("open_holds", sa.Integer(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.drop_column("account", "open_holds")
    op.drop_table("hold")
