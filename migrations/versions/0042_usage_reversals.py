"""Add reversals of usage, whose credits name them instead of a payment attempt (L16)."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

NAMES_ITS_ATTEMPT = "amount < 0 OR attempt_id IS NOT NULL"
NAMES_ITS_CAUSE = "amount < 0 OR attempt_id IS NOT NULL OR usage_reversal_id IS NOT NULL"


def upgrade():
    op.create_table(
        "usage_reversal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("usage_reference", sa.String(length=120), nullable=False),
        sa.Column("usage_posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_usage_reversal_amount_is_above_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_usage_reversal_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_reversal")),
    )
    for name, columns, unique in (
        ("uq_usage_reversal_account_id_reference", ["account_id", "reference"], True),
        ("ix_usage_reversal_account_id_usage_reference", ["account_id", "usage_reference"], False),
    ):
        op.create_index(name, "usage_reversal", columns, unique=unique)
    guards = take_guards_away()
    with op.batch_alter_table("ledger_entry") as ledger:
        ledger.add_column(sa.Column("usage_reversal_id", sa.Integer()))
        ledger.create_foreign_key(
            op.f("fk_ledger_entry_usage_reversal_id_usage_reversal"),
            "usage_reversal",
            ["usage_reversal_id"],
            ["id"],
        )
        check(ledger, "credit_names_its_attempt", "credit_names_its_cause", NAMES_ITS_CAUSE)
        ledger.create_check_constraint(
            op.f("ck_ledger_entry_reversal_of_usage_names_it"),
            "(kind = 'usage_reversal') = (usage_reversal_id IS NOT NULL)",
        )
    is_named = sa.text("usage_reversal_id IS NOT NULL")
    op.create_index(
        "uq_ledger_entry_usage_reversal_id",
        "ledger_entry",
        ["usage_reversal_id"],
        unique=True,
        sqlite_where=is_named,
        postgresql_where=is_named,
    )
    put_guards_back(guards)


def downgrade():
    """Refused by the former check if usage has been reversed: those credits would name nothing."""
    guards = take_guards_away()
    op.drop_index("uq_ledger_entry_usage_reversal_id", "ledger_entry")
    with op.batch_alter_table("ledger_entry") as ledger:
        ledger.drop_constraint(op.f("ck_ledger_entry_reversal_of_usage_names_it"), type_="check")
        check(ledger, "credit_names_its_cause", "credit_names_its_attempt", NAMES_ITS_ATTEMPT)
        ledger.drop_constraint(
            op.f("fk_ledger_entry_usage_reversal_id_usage_reversal"), type_="foreignkey"
        )
        ledger.drop_column("usage_reversal_id")
    put_guards_back(guards)
    op.drop_table("usage_reversal")


def check(ledger, former, name, condition):
    ledger.drop_constraint(op.f(f"ck_ledger_entry_{former}"), type_="check")
    ledger.create_check_constraint(op.f(f"ck_ledger_entry_{name}"), condition)


def take_guards_away():
    """Drop the triggers that name the ledger, and return their SQL.

    SQLite changes a table by copying it, which drops its triggers, and renames no table that a
    trigger of another table names. PostgreSQL keeps them.
    """
    if op.get_bind().dialect.name != "sqlite":
        return []
    found = op.get_bind().execute(
        sa.text(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' "
            "AND (tbl_name = 'ledger_entry' OR sql LIKE '%ledger_entry%') ORDER BY rowid"
        )
    )
    guards = [(row.name, row.sql) for row in found]
    for name, _ in guards:
        op.execute(f"DROP TRIGGER {name}")
    return [sql for _, sql in guards]


def put_guards_back(guards):
    for sql in guards:
        op.get_bind().exec_driver_sql(sql)
