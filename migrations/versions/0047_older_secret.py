"""Let a webhook's secret sign for its whole day after a second rotation.

Revision ID: 0047
Revises: 0046
"""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

# An encrypted text; SQLite's length is the one of the columns beside.
SEALED = sa.String(length=200).with_variant(sa.String(length=80), "sqlite")


def upgrade() -> None:
    op.add_column("webhook_endpoint", sa.Column("older_secret", SEALED))
    op.add_column("webhook_endpoint", sa.Column("older_secret_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("webhook_endpoint", "older_secret_until")
    op.drop_column("webhook_endpoint", "older_secret")
