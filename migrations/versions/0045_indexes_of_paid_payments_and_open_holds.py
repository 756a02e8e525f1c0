"""Index the paid payments of an account, and cover the sum of its open holds."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

PAID, OPEN = sa.text("state = 'paid'"), sa.text("state = 'open'")


def upgrade() -> None:
    op.create_index(
        "ix_payment_paid",
        "payment",
        ["account_id", "id"],
        sqlite_where=PAID,
        postgresql_where=PAID,
    )
    _index_open_holds("account_id", "expires_at", "amount", "state")


def downgrade() -> None:
    _index_open_holds("account_id")
    op.drop_index("ix_payment_paid", "payment")


def _index_open_holds(*columns: str) -> None:
    op.drop_index("ix_hold_open", "hold")
    op.create_index("ix_hold_open", "hold", list(columns), sqlite_where=OPEN, postgresql_where=OPEN)
