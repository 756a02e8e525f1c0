"""Add keys of the provider, and what the provider sets about an account."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

BIGINT = sa.BigInteger()
OF_PROVIDER = "account_id IS NULL"


def upgrade() -> None:
    for column in (
        sa.Column("external_id", sa.String(length=120)),
        sa.Column("metadata", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("state", sa.String(length=10), server_default="active", nullable=False),
        sa.Column("credit_limit", BIGINT, server_default="0", nullable=False),
        sa.Column("max_open_holds", sa.Integer()),
        sa.Column("own_metering", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_exhausted", sa.Boolean(), server_default=sa.true(), nullable=False),
    ):
        op.add_column("account", column)
    op.create_index("uq_account_external_id", "account", ["external_id"], unique=True)
    op.execute("UPDATE account SET is_exhausted = FALSE WHERE balance > 0")
    # Accounts that meter themselves can go on.
    op.execute(
        "UPDATE account SET own_metering = TRUE WHERE id IN (SELECT account_id FROM api_key "
        "WHERE revoked_at IS NULL AND CAST(scopes AS TEXT) LIKE '%\"usage:write\"%')"
    )
    for table in ("api_key", "idempotency_key"):
        with op.batch_alter_table(table) as altered:
            altered.alter_column("account_id", existing_type=sa.Integer(), nullable=True)
    op.create_index(
        "uq_idempotency_key_of_provider",
        "idempotency_key",
        ["key"],
        unique=True,
        sqlite_where=sa.text(OF_PROVIDER),
        postgresql_where=sa.text(OF_PROVIDER),
    )


def downgrade() -> None:
    op.drop_index("uq_idempotency_key_of_provider", "idempotency_key")
    for table in ("idempotency_key", "api_key"):
        op.execute(f"DELETE FROM {table} WHERE {OF_PROVIDER}")
        with op.batch_alter_table(table) as altered:
            altered.alter_column("account_id", existing_type=sa.Integer(), nullable=False)
    op.drop_index("uq_account_external_id", "account")
    # Without a batch, which would make the table anew and lose its triggers.
    for name in ("external_id", "metadata", "state", "credit_limit", "max_open_holds",
                 "own_metering", "is_exhausted"):  # fmt: skip
        op.execute(f"ALTER TABLE account DROP COLUMN {name}")
