"""Add one-time links of the provider's portal, and the account and role of their sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "portal_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("return_url", sa.String(length=500), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_portal_link_account_id_account"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_portal_link_user_id_user"),
        sa.PrimaryKeyConstraint("id", name="pk_portal_link"),
        sa.UniqueConstraint("token_hash", name="uq_portal_link_token_hash"),
    )
    op.create_index("ix_portal_link_account_id", "portal_link", ["account_id"])
    op.create_index("ix_portal_link_expires_at", "portal_link", ["expires_at"])
    with op.batch_alter_table("user_session") as altered:
        altered.add_column(sa.Column("account_id", sa.Integer()))
        altered.add_column(sa.Column("role", sa.String(length=20)))
        altered.add_column(sa.Column("return_url", sa.String(length=500)))
        altered.create_foreign_key(
            "fk_user_session_account_id_account", "account", ["account_id"], ["id"]
        )


def downgrade() -> None:
    op.execute("DELETE FROM user_session WHERE account_id IS NOT NULL")
    with op.batch_alter_table("user_session") as altered:
        altered.drop_constraint("fk_user_session_account_id_account", type_="foreignkey")
        for name in ("account_id", "role", "return_url"):
            altered.drop_column(name)
    op.drop_table("portal_link")
