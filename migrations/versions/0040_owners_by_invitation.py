"""Add the request that created an account, and the name of an invited person."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("creation_hash", sa.String(length=64)))
    name = sa.Column("name", sa.String(length=120), server_default="", nullable=False)
    op.add_column("invitation", name)


def downgrade() -> None:
    # Without a batch, which would make the table anew and lose its triggers.
    op.execute("ALTER TABLE invitation DROP COLUMN name")
    op.execute("ALTER TABLE account DROP COLUMN creation_hash")
