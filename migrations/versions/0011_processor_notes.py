"""Add state that a processor adapter keeps between calls."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "processor_note",
        sa.Column("processor", sa.String(20), nullable=False),
        sa.Column("key", sa.String(120), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("processor", "key", name="pk_processor_note"),
    )


def downgrade() -> None:
    op.drop_table("processor_note")
