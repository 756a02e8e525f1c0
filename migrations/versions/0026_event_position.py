"""Add each processor's catch-up position, and mark events found by listing (L17)."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

HEARD = "ix_processor_event_heard"


def upgrade() -> None:
    op.create_table(
        "event_position",
        sa.Column("processor", sa.String(20), nullable=False),
        sa.Column("caught_up_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listed_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trouble", sa.String(500), nullable=False),
        sa.PrimaryKeyConstraint("processor", name="pk_event_position"),
    )
    listed = sa.Column("listed", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("processor_event", listed)
    op.create_index(HEARD, "processor_event", ["processor", "listed", "received_at"])


def downgrade() -> None:
    op.drop_index(HEARD, "processor_event")
    op.drop_column("processor_event", "listed")
    op.drop_table("event_position")
