"""Add the time when a later payment ended an emailed authentication link (F10)."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempt", sa.Column("link_ended_at", sa.DateTime(timezone=True)))
    op.execute(
        "UPDATE attempt SET link_ended_at = declined_at "
        "WHERE automatic AND decline_code = 'authentication_required' AND EXISTS ("
        "SELECT 1 FROM ledger_entry WHERE ledger_entry.account_id = attempt.account_id "
        "AND ledger_entry.amount > 0 AND ledger_entry.posted_at >= attempt.declined_at)"
    )


def downgrade() -> None:
    op.drop_column("attempt", "link_ended_at")
