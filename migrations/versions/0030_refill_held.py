"""Add held refills, and the charge that was confirmed when a method is saved."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    held = sa.Column("refill_held", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("account", held)
    with op.batch_alter_table("method_setup") as setup:
        setup.alter_column("consent", existing_type=sa.Boolean, nullable=True)
        setup.add_column(sa.Column("confirmed", sa.BigInteger))
    op.execute(sa.text("UPDATE method_setup SET consent = NULL WHERE NOT consent"))


def downgrade() -> None:
    op.execute(sa.text("UPDATE method_setup SET consent = false WHERE consent IS NULL"))
    with op.batch_alter_table("method_setup") as setup:
        setup.drop_column("confirmed")
        setup.alter_column("consent", existing_type=sa.Boolean, nullable=False)
    op.drop_column("account", "refill_held")
