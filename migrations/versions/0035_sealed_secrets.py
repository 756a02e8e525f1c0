"""Encrypt second-factor and webhook secrets with a key derived from SECRET_KEY.

Only PostgreSQL needs longer columns: SQLite does not enforce text lengths and cannot change them.
"""

from functools import partial

import sqlalchemy as sa
from alembic import op

from webapp.database.vault import change_column, vault_of

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

COLUMNS = (
    ("user", "totp_secret", 64),
    ("webhook_endpoint", "secret", 80),
    ("webhook_endpoint", "old_secret", 80),
)
SEALED = 200


def change_length(table, column, length):
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(table, column, type_=sa.String(length))


def upgrade():
    """A copy has no key: `restore` encrypts what an older backup holds in plain text."""
    connection = op.get_bind()
    vault = vault_of(connection.dialect)
    for table, column, _ in COLUMNS:
        change_length(table, column, SEALED)
        if vault:
            sealed = partial(vault.seal, place=f"{table}.{column}")
            change_column(connection, table, column, sealed)


def downgrade():
    connection = op.get_bind()
    vault = vault_of(connection.dialect)
    for table, column, length in COLUMNS:
        if vault:
            opened = partial(vault.open, place=f"{table}.{column}")
            change_column(connection, table, column, opened)
        change_length(table, column, length)
