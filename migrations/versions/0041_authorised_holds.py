"""Add to holds what was asked for and what has been used, so that a hold authorises (V5, V6)."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

ADDED = (
    sa.Column("asked", sa.BigInteger()),
    sa.Column("minimum", sa.BigInteger()),
    sa.Column("rate_per_minute", sa.BigInteger()),
    sa.Column("increment", sa.Integer()),
    sa.Column("lasts", sa.Integer(), server_default="86400", nullable=False),
    sa.Column("used", sa.BigInteger(), server_default="0", nullable=False),
    sa.Column("reports", sa.Integer(), server_default="0", nullable=False),
)


def upgrade() -> None:
    for column in ADDED:
        op.add_column("hold", column)
    op.execute("UPDATE hold SET asked = amount")
    with op.batch_alter_table("hold") as hold:
        hold.alter_column("asked", existing_type=sa.BigInteger(), nullable=False)
        check(hold, "amount_is_above_zero", "amount_is_not_negative", "amount >= 0")
    op.create_table(
        "hold_report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hold_id", sa.Integer(), nullable=False),
        sa.Column("report_key", sa.String(length=48), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["hold_id"], ["hold.id"], name=op.f("fk_hold_report_hold_id_hold")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold_report")),
    )
    op.create_index(
        "uq_hold_report_hold_id_report_key", "hold_report", ["hold_id", "report_key"], unique=True
    )


def downgrade() -> None:
    op.drop_table("hold_report")
    op.execute("DELETE FROM hold WHERE amount = 0")
    with op.batch_alter_table("hold") as hold:
        check(hold, "amount_is_not_negative", "amount_is_above_zero", "amount > 0")
        for column in reversed(ADDED):
            hold.drop_column(column.name)


def check(hold, former, name, condition):
    hold.drop_constraint(op.f(f"ck_hold_{former}"), type_="check")
    hold.create_check_constraint(op.f(f"ck_hold_{name}"), condition)
