"""Add wire transfer requests and their proofs of payment."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OPEN = "state IN ('new', 'proof_uploaded')"


def upgrade() -> None:
    op.create_table(
        "wire_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=20), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("requested_by_id", sa.Integer(), nullable=True),
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=True),
        sa.Column("rate", sa.String(length=20), nullable=True),
        sa.Column("payment_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_wire_request_amount_is_above_zero")),
        sa.CheckConstraint(
            "(state = 'completed') = (payment_id IS NOT NULL)",
            name=op.f("ck_wire_request_completed_names_its_payment"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_wire_request_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_wire_request_payment_id_payment")
        ),
        sa.ForeignKeyConstraint(
            ["requested_by_id"], ["user.id"], name=op.f("fk_wire_request_requested_by_id_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wire_request")),
    )
    op.create_index("ix_wire_request_account_id_id", "wire_request", ["account_id", "id"])
    op.create_index(
        "ix_wire_request_open",
        "wire_request",
        ["account_id"],
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    )
    op.create_index(
        "uq_wire_request_account_id_request_key",
        "wire_request",
        ["account_id", "request_key"],
        unique=True,
    )
    op.create_index("uq_wire_request_payment_id", "wire_request", ["payment_id"], unique=True)
    op.create_index("uq_wire_request_reference", "wire_request", ["reference"], unique=True)

    op.create_table(
        "wire_proof",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("wire_id", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("uploaded_by_id", sa.Integer(), nullable=True),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["uploaded_by_id"], ["user.id"], name=op.f("fk_wire_proof_uploaded_by_id_user")
        ),
        sa.ForeignKeyConstraint(
            ["wire_id"], ["wire_request.id"], name=op.f("fk_wire_proof_wire_id_wire_request")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wire_proof")),
    )
    op.create_index(
        "uq_wire_proof_wire_id_digest", "wire_proof", ["wire_id", "digest"], unique=True
    )


def downgrade() -> None:
    op.drop_table("wire_proof")
    op.drop_table("wire_request")
