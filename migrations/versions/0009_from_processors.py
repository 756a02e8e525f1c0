"""Add processor events, reversals, methods removed at the processor and unmatched events."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for name in ("paused_by_dispute", "low_by_reversal"):
        op.add_column(
            "account", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.add_column("payment_method", sa.Column("gone_at", INSTANT, nullable=True))
    op.create_index(
        "ix_payment_method_processor_reference",
        "payment_method",
        ["processor", "processor_reference"],
    )
    op.create_table(
        "processor_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("processor", sa.String(20), nullable=False),
        sa.Column("event_id", sa.String(120), nullable=False),
        sa.Column("about", sa.String(200), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processor_event")),
    )
    op.create_index(
        "uq_processor_event_processor_event_id",
        "processor_event",
        ["processor", "event_id"],
        unique=True,
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("processor", sa.String(20), nullable=False),
        sa.Column("reference", sa.String(120), nullable=False),
        sa.Column("what", sa.String(500), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("closed_because", sa.String(500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    op.create_index(
        "uq_evidence_processor_reference", "evidence", ["processor", "reference"], unique=True
    )
    op.create_index(
        "ix_evidence_open",
        "evidence",
        ["id"],
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "reversal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=False),
        sa.Column("processor", sa.String(20), nullable=False),
        sa.Column("reference", sa.String(120), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("debit_id", sa.Integer(), nullable=True),
        sa.Column("credit_id", sa.Integer(), nullable=True),
        sa.Column("heard_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_reversal_amount_is_above_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_reversal_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempt.id"], name=op.f("fk_reversal_attempt_id_attempt")
        ),
        sa.ForeignKeyConstraint(
            ["debit_id"], ["payment.id"], name=op.f("fk_reversal_debit_id_payment")
        ),
        sa.ForeignKeyConstraint(
            ["credit_id"], ["payment.id"], name=op.f("fk_reversal_credit_id_payment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reversal")),
    )
    op.create_index(op.f("ix_reversal_account_id"), "reversal", ["account_id"])
    op.create_index("ix_reversal_attempt_id", "reversal", ["attempt_id"])
    op.create_index(
        "uq_reversal_processor_reference", "reversal", ["processor", "reference"], unique=True
    )


def downgrade() -> None:
    for table in ("reversal", "evidence", "processor_event"):
        op.drop_table(table)
    op.drop_index("ix_payment_method_processor_reference", "payment_method")
    op.drop_column("payment_method", "gone_at")
    for name in ("low_by_reversal", "paused_by_dispute"):
        op.drop_column("account", name)
