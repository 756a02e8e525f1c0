"""Add email address confirmation, and emails that belong to a user instead of an account."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

OWED = "state = 'owed'"
OF_ATTEMPTS = "attempt_id IS NOT NULL"


def upgrade() -> None:
    op.add_column("user", sa.Column("unconfirmed_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("user", sa.Column("pending_email", sa.String(length=254), nullable=True))
    with op.batch_alter_table("notice") as notice:
        notice.alter_column("account_id", existing_type=sa.Integer(), nullable=True)
        notice.add_column(sa.Column("user_id", sa.Integer(), nullable=True))
        notice.create_foreign_key(op.f("fk_notice_user_id_user"), "user", ["user_id"], ["id"])
    op.create_index("ix_notice_user_id_id", "notice", ["user_id", "id"])


def downgrade() -> None:
    op.execute("DELETE FROM notice WHERE account_id IS NULL")
    op.drop_index("ix_notice_user_id_id", "notice")
    with op.batch_alter_table("notice") as notice:
        notice.drop_constraint(op.f("fk_notice_user_id_user"), type_="foreignkey")
        notice.drop_column("user_id")
        notice.alter_column("account_id", existing_type=sa.Integer(), nullable=False)
    op.drop_column("user", "pending_email")
    op.drop_column("user", "unconfirmed_since")
