"""Add the urgency of emails and an index, so that the most urgent are sent first."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

OWED = sa.text("state = 'owed'")

AWAITED = (
    "reset_password", "confirm_email", "invitation", "authentication_required",
    "password_changed", "email_changed", "ownership",
)  # fmt: skip
ALERT = (
    "low_balance", "method_suspended", "all_failed", "limit_reached", "paused", "refill_blocked",
    "still_unknown", "webhook_ended", "limits_set",
)  # fmt: skip


def upgrade() -> None:
    # Urgency 2 (record) unless the kind has another one.
    op.add_column(
        "notice", sa.Column("urgency", sa.SmallInteger(), nullable=False, server_default="2")
    )
    notice = sa.table("notice", sa.column("kind", sa.String), sa.column("urgency", sa.SmallInteger))
    for urgency, kinds in enumerate((AWAITED, ALERT)):
        op.execute(notice.update().where(notice.c.kind.in_(kinds)).values(urgency=urgency))
    with op.batch_alter_table("notice") as table:
        table.alter_column("urgency", existing_type=sa.SmallInteger(), server_default=None)
    op.drop_index("ix_notice_next_try_at", "notice")
    _index("ix_notice_state_urgency_next_try_at", "state", "urgency", "next_try_at")


def downgrade() -> None:
    op.drop_index("ix_notice_state_urgency_next_try_at", "notice")
    op.drop_column("notice", "urgency")
    _index("ix_notice_next_try_at", "next_try_at")


def _index(name: str, *columns: str) -> None:
    op.create_index(name, "notice", columns, sqlite_where=OWED, postgresql_where=OWED)
