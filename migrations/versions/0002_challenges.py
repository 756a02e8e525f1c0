"""Add pending method setups, challenged payments and pending revocations."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPEN = "state IN ('started', 'unknown', 'refused'{challenged})"
LIVE = "state IN ('started', 'unknown', 'refused'{challenged}, 'paid')"
WITH_CHALLENGES = ", 'challenged'"


def upgrade() -> None:
    # Not in batch mode: on SQLite that recreates the table and loses its triggers.
    op.add_column(
        "account",
        sa.Column("paypal_allowed", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "method_setup",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("consent", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("method_id", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_method_setup_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["method_id"],
            ["payment_method.id"],
            name=op.f("fk_method_setup_method_id_payment_method"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_method_setup_user_id_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_method_setup")),
        sa.UniqueConstraint("reference", name=op.f("uq_method_setup_reference")),
    )
    op.create_index(op.f("ix_method_setup_account_id"), "method_setup", ["account_id"])
    op.create_index(
        "ix_method_setup_open",
        "method_setup",
        ["started_at"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "revocation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_revocation_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revocation")),
    )
    op.create_index(op.f("ix_revocation_account_id"), "revocation", ["account_id"])
    op.create_index(
        "ix_revocation_due",
        "revocation",
        ["id"],
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    index_attempts(WITH_CHALLENGES)


def downgrade() -> None:
    index_attempts("")
    op.drop_table("revocation")
    op.drop_table("method_setup")
    op.execute("ALTER TABLE account DROP COLUMN paypal_allowed")


def index_attempts(challenged: str) -> None:
    """Rebuild the indexes of open attempts; a challenged attempt may still take money."""
    rebuild("uq_attempt_live_per_payment", "payment_id", LIVE, challenged, unique=True)
    rebuild("uq_attempt_open_per_method", "method_id", OPEN, challenged, unique=True)
    rebuild("ix_attempt_next_check_at", "next_check_at", OPEN, challenged, unique=False)


def rebuild(name: str, column: str, states: str, challenged: str, *, unique: bool) -> None:
    where = sa.text(states.format(challenged=challenged))
    op.drop_index(name, table_name="attempt")
    op.create_index(
        name, "attempt", [column], unique=unique, sqlite_where=where, postgresql_where=where
    )
