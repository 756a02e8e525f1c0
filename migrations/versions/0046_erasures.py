"""Add erasures of closed accounts, and the provider's key of portal links and sessions.

While an erasure has no end, which is only within its transaction, the triggers of the ledger and of
events let personal data be removed, and nothing else be changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)

KEPT = {
    "ledger_entry": (
        *("id", "account_id", "kind", "amount", "balance_after", "reference", "attempt_id"),
        *("usage_reversal_id", "occurred_at", "posted_at"),
    ),
    "event": (
        *("id", "account_id", "kind", "at", "timeline", "audit", "webhook", "attempt_id"),
        *("top_up_id", "payment_id", "method_id", "wire_id"),
    ),
}
"""Columns that even an erasure does not change."""

# An erasure empties a description, and leaves facts out.
REMOVES_ONLY = {
    "ledger_entry": "NEW.description = ''",
    "event": "length(CAST(NEW.facts AS TEXT)) <= length(CAST(OLD.facts AS TEXT))",
}
REFUSALS = {
    "ledger_entry": "the ledger is append-only",
    "event": "events are append-only",
}


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("begun_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("kept_until", TIME),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_erasure_account_id_account"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_erasure"),
    )
    op.create_index("ix_erasure_account_id", "erasure", ["account_id"])
    open_ = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_erasure_open", "erasure", ["id"], sqlite_where=open_, postgresql_where=open_
    )
    for table in KEPT:
        guard(table, f"NOT ({is_erasure(table)})")
    for table in ("portal_link", "user_session"):
        with op.batch_alter_table(table) as altered:
            altered.add_column(sa.Column("api_key_id", sa.Integer()))
            altered.create_foreign_key(
                f"fk_{table}_api_key_id_api_key", "api_key", ["api_key_id"], ["id"]
            )
            altered.create_index(f"ix_{table}_api_key_id", ["api_key_id"])


def downgrade() -> None:
    for table in ("portal_link", "user_session"):
        with op.batch_alter_table(table) as altered:
            altered.drop_index(f"ix_{table}_api_key_id")
            altered.drop_constraint(f"fk_{table}_api_key_id_api_key", type_="foreignkey")
            altered.drop_column("api_key_id")
    for table in KEPT:
        guard(table, "TRUE")
    if not on_sqlite():
        op.execute("DROP TRIGGER event_is_never_changed ON event")
        op.execute(
            "CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event "
            "FOR EACH ROW EXECUTE FUNCTION event_stands()"
        )
        op.execute("DROP FUNCTION event_is_never_changed()")
    op.drop_table("erasure")


def is_erasure(table):
    """The condition under which an UPDATE may be made."""
    same = "IS" if on_sqlite() else "IS NOT DISTINCT FROM"
    kept = [f"NEW.{column} {same} OLD.{column}" for column in KEPT[table]]
    begun = "EXISTS (SELECT 1 FROM erasure WHERE ended_at IS NULL)"
    return " AND ".join((begun, *kept, REMOVES_ONLY[table]))


def guard(table, refused):
    """Replace the trigger before an UPDATE by one that refuses it under this condition."""
    name, refusal = f"{table}_is_never_changed", REFUSALS[table].replace("'", "''")
    if on_sqlite():
        op.execute(f"DROP TRIGGER {name}")
        op.execute(
            f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW WHEN {refused} "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )
        return
    op.execute(
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {refused} THEN RAISE EXCEPTION '{refusal}' USING ERRCODE = 'check_violation'; "
        "END IF; RETURN NEW; END $$"
    )
    op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute(
        f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
    )


def on_sqlite():
    return op.get_bind().dialect.name == "sqlite"
