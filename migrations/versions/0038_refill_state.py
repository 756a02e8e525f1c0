"""Move where an account's refills stand from the account to its low-balance settings."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

TIMES = ("paused_at", "resumed_at")
FLAGS = ("low_by_reversal", "refill_held", "all_failed_mailed")
PAUSED_BY = ("paused_by_operator", "paused_by_dispute")


def upgrade() -> None:
    add("low_balance_settings", TIMES, FLAGS)
    op.add_column("low_balance_settings", sa.Column("paused_by", sa.String(length=10)))
    copy("low_balance_settings", "account_id", "account", "id", TIMES + FLAGS)
    op.execute(
        "UPDATE low_balance_settings SET paused_by = (SELECT CASE "
        "WHEN paused_by_operator THEN 'operator' WHEN paused_by_dispute THEN 'dispute' "
        "ELSE 'burst' END FROM account WHERE id = account_id) WHERE paused_at IS NOT NULL"
    )
    drop("account", TIMES + FLAGS + PAUSED_BY)


def downgrade() -> None:
    add("account", TIMES, FLAGS + PAUSED_BY)
    copy("account", "id", "low_balance_settings", "account_id", TIMES + FLAGS)
    for column in PAUSED_BY:
        op.execute(
            f"UPDATE account SET {column} = TRUE WHERE id IN (SELECT account_id "
            f"FROM low_balance_settings WHERE paused_by = '{column.removeprefix('paused_by_')}')"
        )
    drop("low_balance_settings", (*TIMES, *FLAGS, "paused_by"))


def add(table, times, flags):
    for name in times:
        op.add_column(table, sa.Column(name, sa.DateTime(timezone=True)))
    for name in flags:
        flag = sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
        op.add_column(table, flag)


def copy(table, key, source, source_key, columns):
    values = ", ".join(
        f"{name} = (SELECT s.{name} FROM {source} s WHERE s.{source_key} = {table}.{key})"
        for name in columns
    )
    op.execute(f"UPDATE {table} SET {values}")


def drop(table, columns):
    # Without a batch, which would make the table anew and lose its triggers.
    for name in columns:
        op.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
