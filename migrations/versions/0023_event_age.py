"""Index webhook events by age, for deletion after the retention period."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_webhook_event_at", "webhook_event", ["at"])


def downgrade() -> None:
    op.drop_index("ix_webhook_event_at", "webhook_event")
