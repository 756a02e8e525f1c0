"""Add the language of an account's emails and of each email."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TABLES = ("account", "notice")


def upgrade() -> None:
    for table in TABLES:
        language = sa.Column("language", sa.String(2), nullable=False, server_default="en")
        op.add_column(table, language)


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "language")
