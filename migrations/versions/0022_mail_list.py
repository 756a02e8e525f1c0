"""Add indexes for the operators' email list."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_notice_created_at_id": ["created_at", "id"],
    "ix_notice_state_created_at_id": ["state", "created_at", "id"],
    "ix_notice_kind_created_at_id": ["kind", "created_at", "id"],
    "ix_notice_kind_state_created_at_id": ["kind", "state", "created_at", "id"],
    "ix_notice_recipient": ["recipient"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "notice", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "notice")
