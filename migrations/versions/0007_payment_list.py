"""Add indexes for the filtered and ordered payment list.

Attempts copy their payment's kind, so that one index covers each filter with its order. Timeline
entries and emails are indexed by payment.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_attempt_account_id_started_at_id": ["account_id", "started_at", "id"],
    "ix_attempt_account_id_state_started_at_id": ["account_id", "state", "started_at", "id"],
    "ix_attempt_account_id_kind_started_at_id": ["account_id", "kind", "started_at", "id"],
    "ix_attempt_method_id_started_at_id": ["method_id", "started_at", "id"],
    "ix_attempt_account_id_amount_id": ["account_id", "amount", "id"],
}
PARTIAL = {
    "ix_payment_noted": ("payment", "account_id", "note <> ''"),
    "ix_decision_attempt_id": ("decision", "attempt_id", "attempt_id IS NOT NULL"),
    "ix_decision_top_up_id": ("decision", "top_up_id", "top_up_id IS NOT NULL"),
    "ix_notice_attempt_id": ("notice", "attempt_id", "attempt_id IS NOT NULL"),
}


def upgrade() -> None:
    # SQLite requires a default to add a NOT NULL column; the application always sets the kind.
    op.add_column(
        "attempt", sa.Column("kind", sa.String(length=20), nullable=False, server_default="")
    )
    op.execute(
        "UPDATE attempt SET kind = (SELECT kind FROM payment WHERE payment.id = attempt.payment_id)"
    )
    op.drop_index("ix_attempt_account_id_started_at", "attempt")
    for name, columns in INDEXES.items():
        op.create_index(name, "attempt", columns)
    for name, (table, column, where) in PARTIAL.items():
        some = sa.text(where)
        op.create_index(name, table, [column], sqlite_where=some, postgresql_where=some)


def downgrade() -> None:
    for name, (table, _, _) in PARTIAL.items():
        op.drop_index(name, table)
    for name in INDEXES:
        op.drop_index(name, "attempt")
    op.create_index("ix_attempt_account_id_started_at", "attempt", ["account_id", "started_at"])
    op.drop_column("attempt", "kind")
