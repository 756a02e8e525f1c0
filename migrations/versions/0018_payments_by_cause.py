"""Index payments by the low-balance settings that caused them, and rare payments by amount.

Without the latter, a selective filter ordered by amount scanned all payments.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

BY_AMOUNT = {
    "ix_attempt_account_id_state_amount_id": ["account_id", "state", "amount", "id"],
    "ix_attempt_account_id_kind_amount_id": ["account_id", "kind", "amount", "id"],
    "ix_attempt_method_id_amount_id": ["method_id", "amount", "id"],
}
CAUSED = "settings_version IS NOT NULL"


def upgrade() -> None:
    op.create_index(
        "ix_attempt_by_settings",
        "attempt",
        ["account_id", "settings_version", "started_at", "id"],
        sqlite_where=sa.text(CAUSED),
        postgresql_where=sa.text(CAUSED),
    )
    for name, columns in BY_AMOUNT.items():
        op.create_index(name, "attempt", columns)


def downgrade() -> None:
    for name in BY_AMOUNT:
        op.drop_index(name, "attempt")
    op.drop_index("ix_attempt_by_settings", "attempt")
