"""Add stored API responses for idempotency keys, kept for a day."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "repeat",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("location", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_repeat_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repeat")),
    )
    op.create_index("uq_repeat_account_id_key", "repeat", ["account_id", "key"], unique=True)
    op.create_index("ix_repeat_begun_at", "repeat", ["begun_at"])


def downgrade() -> None:
    op.drop_table("repeat")
