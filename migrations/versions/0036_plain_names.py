"""Rename columns, tables and triggers to what they hold."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

COLUMNS = (
    ("account", "attention_below", "alert_threshold"),
    ("account", "told_low", "low_balance_announced"),
    ("attempt", "customer_told", "customer_notified"),
    ("low_balance_settings", "look_again_at", "check_again_at"),
    ("payment_method", "barred_at", "blocked_at"),
    ("payment_method", "healed_at", "restored_at"),
)
"""Table, old name, new name."""

ALERT_THRESHOLD = (
    "UPDATE account SET {column} = (SELECT max(line) FROM ("
    "SELECT CASE WHEN NEW.refill_on THEN NEW.threshold END AS line UNION ALL "
    "SELECT CASE WHEN NEW.notification_on THEN NEW.notification_threshold END"
    ") AS lines) WHERE id = NEW.account_id"
)
FOLLOWED = "refill_on, threshold, notification_on, notification_threshold"


def upgrade() -> None:
    drop_triggers("attention_follows_new_settings", "attention_follows_settings", "keep_attention")
    for table, old, new in COLUMNS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    move_index("look_again_at", "check_again_at")
    create_unmatched_events("unmatched_event")
    move_rows("evidence", "unmatched_event")
    create_idempotency_keys("idempotency_key")
    move_rows("repeat", "idempotency_key")
    create_triggers(
        "alert_threshold_follows_new_settings",
        "alert_threshold_follows_settings",
        "set_alert_threshold",
        "alert_threshold",
    )


def downgrade() -> None:
    drop_triggers(
        "alert_threshold_follows_new_settings",
        "alert_threshold_follows_settings",
        "set_alert_threshold",
    )
    create_unmatched_events("evidence")
    move_rows("unmatched_event", "evidence")
    create_idempotency_keys("repeat")
    move_rows("idempotency_key", "repeat")
    for table, old, new in COLUMNS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}")
    move_index("check_again_at", "look_again_at")
    create_triggers(
        "attention_follows_new_settings",
        "attention_follows_settings",
        "keep_attention",
        "attention_below",
    )


def on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def drop_triggers(on_insert, on_update, function):
    for name in (on_insert, on_update):
        op.execute(f"DROP TRIGGER {name}{'' if on_sqlite() else ' ON low_balance_settings'}")
    if not on_sqlite():
        op.execute(f"DROP FUNCTION {function}()")


def create_triggers(on_insert, on_update, function, column):
    statement = ALERT_THRESHOLD.format(column=column)
    action = f"BEGIN {statement}; END" if on_sqlite() else f"EXECUTE FUNCTION {function}()"
    if not on_sqlite():
        op.execute(
            f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {statement}; RETURN NEW; END $$"
        )
    for name, event in ((on_insert, "INSERT"), (on_update, f"UPDATE OF {FOLLOWED}")):
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON low_balance_settings FOR EACH ROW {action}"
        )


def move_index(old, new):
    op.drop_index(f"ix_low_balance_settings_{old}", "low_balance_settings")
    index(
        f"ix_low_balance_settings_{new}",
        "low_balance_settings",
        new,
        where=f"{new} IS NOT NULL",
    )


def index(name, table, column, where):
    condition = sa.text(where)
    op.create_index(name, table, [column], sqlite_where=condition, postgresql_where=condition)


def create_unmatched_events(table):
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("what", sa.String(length=500), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_because", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    index(f"ix_{table}_open", table, "id", where="closed_at IS NULL")
    op.create_index(
        f"uq_{table}_processor_reference", table, ["processor", "reference"], unique=True
    )


def create_idempotency_keys(table):
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("location", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f(f"fk_{table}_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(f"uq_{table}_account_id_key", table, ["account_id", "key"], unique=True)
    op.create_index(f"ix_{table}_begun_at", table, ["begun_at"])


def move_rows(old, new):
    """Fill the new table and drop the old one: SQLite cannot rename a table's constraints."""
    op.execute(f"INSERT INTO {new} SELECT * FROM {old}")
    op.drop_table(old)
    if not on_sqlite():
        op.execute(f"SELECT setval(pg_get_serial_sequence('{new}', 'id'), max(id)) FROM {new}")
