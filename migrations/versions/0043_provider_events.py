"""Number the events for the provider, and let it have webhook endpoints of its own."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

KEPT = timedelta(days=90)
OF_PROVIDER = "account_id IS NULL"
REFERENCE = "fk_webhook_delivery_endpoint_id_webhook_endpoint"


def upgrade() -> None:
    op.create_table(
        "provider_event",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["event_id"], ["event.id"], name="fk_provider_event_event_id_event"
        ),
        sa.PrimaryKeyConstraint("event_id", name="pk_provider_event"),
        sa.UniqueConstraint("sequence", name="uq_provider_event_sequence"),
    )
    op.create_index(
        "ix_provider_event_unnumbered",
        "provider_event",
        ["event_id"],
        sqlite_where=sa.text("sequence IS NULL"),
        postgresql_where=sa.text("sequence IS NULL"),
    )
    since = sa.bindparam("since", datetime.now(UTC) - KEPT, sa.DateTime(timezone=True))
    op.execute(
        sa.text(
            "INSERT INTO provider_event (event_id, sequence) "
            "SELECT id, ROW_NUMBER() OVER (ORDER BY id) FROM event "
            "WHERE webhook IS NOT NULL AND webhook <> 'test' AND account_id IS NOT NULL "
            "AND at >= :since"
        ).bindparams(since)
    )
    allow_no_account(True)
    # Accounts without an endpoint had no event of a low balance, and need none now.
    op.execute("UPDATE account SET low_balance_announced = TRUE WHERE balance < alert_threshold")
    op.execute("ALTER TABLE account DROP COLUMN has_webhooks")
    op.add_column("low_balance_settings", sa.Column("blocked_code", sa.String(length=40)))


def downgrade() -> None:
    op.execute("ALTER TABLE low_balance_settings DROP COLUMN blocked_code")
    op.add_column(
        "account",
        sa.Column("has_webhooks", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.execute(
        "UPDATE account SET has_webhooks = TRUE WHERE id IN (SELECT account_id FROM "
        "webhook_endpoint WHERE account_id IS NOT NULL AND ended IS NULL AND removed_at IS NULL)"
    )
    op.execute(
        "DELETE FROM webhook_delivery WHERE endpoint_id IN "
        f"(SELECT id FROM webhook_endpoint WHERE {OF_PROVIDER})"
    )
    op.execute(f"DELETE FROM webhook_endpoint WHERE {OF_PROVIDER}")
    allow_no_account(False)
    op.drop_table("provider_event")


def allow_no_account(allowed):
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("webhook_endpoint", "account_id", nullable=allowed)
        return
    # SQLite replaces the table, which it refuses while deliveries refer to it.
    with op.batch_alter_table("webhook_delivery") as delivery:
        delivery.drop_constraint(REFERENCE, type_="foreignkey")
    with op.batch_alter_table("webhook_endpoint") as endpoint:
        endpoint.alter_column("account_id", existing_type=sa.Integer(), nullable=allowed)
    with op.batch_alter_table("webhook_delivery") as delivery:
        delivery.create_foreign_key(REFERENCE, "webhook_endpoint", ["endpoint_id"], ["id"])
