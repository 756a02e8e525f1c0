"""Count consecutive rejected requests of an attempt (L8)."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    refusals = sa.Column("refusals", sa.Integer(), nullable=False, server_default="0")
    op.add_column("attempt", refusals)


def downgrade() -> None:
    op.drop_column("attempt", "refusals")
