"""Add operators, and operators' pauses of an account's automatic payments."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "operator",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_operator_user_id_user")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_operator")),
    )
    op.add_column(
        "account",
        sa.Column("paused_by_operator", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    op.drop_column("account", "paused_by_operator")
    op.drop_table("operator")
