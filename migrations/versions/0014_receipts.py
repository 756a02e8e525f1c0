"""Add receipts, numbered without gaps per account, and billing details.

Existing payments are numbered in the order in which they were paid. Their receipts are rendered
from the payment, because no details were stored at the time.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

DETAILS = {"billing_name": 120, "billing_address": 400, "billing_tax_number": 40}


def upgrade() -> None:
    for name, length in DETAILS.items():
        column = sa.Column(name, sa.String(length=length), nullable=False, server_default="")
        op.add_column("account", column)
    op.add_column(
        "account", sa.Column("receipts", sa.Integer(), nullable=False, server_default="0")
    )
    op.create_table(
        "receipt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_receipt_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_receipt_payment_id_payment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
    )
    op.create_index(
        "uq_receipt_account_id_number", "receipt", ["account_id", "number"], unique=True
    )
    op.create_index("uq_receipt_payment_id", "receipt", ["payment_id"], unique=True)
    op.execute(
        "INSERT INTO receipt (account_id, payment_id, number, facts, issued_at) "
        "SELECT account_id, id, "
        "row_number() OVER (PARTITION BY account_id ORDER BY settled_at, id), '{}', settled_at "
        "FROM payment WHERE state = 'paid' AND settled_at IS NOT NULL "
        "AND kind IN ('automatic', 'instant', 'auto_charge', 'retry', 'wire')"
    )
    op.execute(
        "UPDATE account SET receipts = "
        "(SELECT count(*) FROM receipt WHERE receipt.account_id = account.id)"
    )


def downgrade() -> None:
    op.drop_table("receipt")
    op.drop_column("account", "receipts")
    for name in DETAILS:
        op.drop_column("account", name)
