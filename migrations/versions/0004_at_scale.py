"""Add indexes so that queries stay fast with a million accounts.

`account.attention_below` is the highest balance below which an account needs a check. Triggers
derive it from the low-balance settings, so the sweep reads only an index of low accounts.
Credits have their own index: between two credits a balance only falls.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

HIGHEST_LINE = """(SELECT max(line) FROM (
    SELECT CASE WHEN {row}.refill_on THEN {row}.threshold END AS line
    UNION ALL
    SELECT CASE WHEN {row}.notification_on THEN {row}.notification_threshold END
) AS lines)"""
KEEP = (
    f"UPDATE account SET attention_below = {HIGHEST_LINE.format(row='NEW')} "
    "WHERE id = NEW.account_id"
)
EVENTS = {
    "attention_follows_new_settings": "AFTER INSERT",
    "attention_follows_settings": (
        "AFTER UPDATE OF refill_on, threshold, notification_on, notification_threshold"
    ),
}
IS_LOW = "balance < attention_below"


def upgrade() -> None:
    op.add_column("account", sa.Column("attention_below", sa.BigInteger(), nullable=True))
    op.execute(
        f"UPDATE account SET attention_below = (SELECT {HIGHEST_LINE.format(row='settings')} "
        "FROM low_balance_settings AS settings WHERE settings.account_id = account.id)"
    )
    op.create_index(
        "ix_account_is_low",
        "account",
        ["id"],
        sqlite_where=sa.text(IS_LOW),
        postgresql_where=sa.text(IS_LOW),
    )
    # Usage has no attempt, so those rows are left out of the index.
    op.drop_index("uq_ledger_entry_attempt_id", "ledger_entry")
    op.create_index(
        "uq_ledger_entry_attempt_id",
        "ledger_entry",
        ["attempt_id"],
        unique=True,
        sqlite_where=sa.text("attempt_id IS NOT NULL"),
        postgresql_where=sa.text("attempt_id IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_entry_credits",
        "ledger_entry",
        ["account_id", "posted_at"],
        sqlite_where=sa.text("amount > 0"),
        postgresql_where=sa.text("amount > 0"),
    )
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    if not on_sqlite:
        op.execute(
            "CREATE FUNCTION keep_attention() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {KEEP}; RETURN NEW; END $$"
        )
    for name, event in EVENTS.items():
        what = f"BEGIN {KEEP}; END" if on_sqlite else "EXECUTE FUNCTION keep_attention()"
        op.execute(f"CREATE TRIGGER {name} {event} ON low_balance_settings FOR EACH ROW {what}")


def downgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for name in EVENTS:
        op.execute(f"DROP TRIGGER {name}{'' if on_sqlite else ' ON low_balance_settings'}")
    if not on_sqlite:
        op.execute("DROP FUNCTION keep_attention()")
    op.drop_index("ix_ledger_entry_credits", "ledger_entry")
    op.drop_index("uq_ledger_entry_attempt_id", "ledger_entry")
    op.create_index("uq_ledger_entry_attempt_id", "ledger_entry", ["attempt_id"], unique=True)
    op.drop_index("ix_account_is_low", "account")
    op.drop_column("account", "attention_below")
