"""Give API keys a name, scopes, allowed addresses, an expiry and a successor.

Existing keys keep their permissions and get all new scopes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ALL_SCOPES = '["usage:write", "balance:read", "billing:read", "billing:write"]'
NEW: dict[str, tuple[sa.types.TypeEngine, str]] = {
    "name": (sa.String(120), "First key"),
    "scopes": (sa.JSON(), ALL_SCOPES),
    "networks": (sa.JSON(), "[]"),
    "last_used_from": (sa.String(64), ""),
}
INSTANTS = ("expires_at", "revoked_at", "last_used_at")


def upgrade() -> None:
    with op.batch_alter_table("api_key") as table:
        for name, (kind, default) in NEW.items():
            table.add_column(sa.Column(name, kind, nullable=False, server_default=default))
        for name in INSTANTS:
            table.add_column(sa.Column(name, sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("replaces_id", sa.Integer(), nullable=True))
    with op.batch_alter_table("api_key") as table:
        # The defaults were only for existing keys.
        for name, (kind, _) in NEW.items():
            table.alter_column(name, server_default=None, existing_type=kind)
        table.create_foreign_key(
            op.f("fk_api_key_replaces_id_api_key"), "api_key", ["replaces_id"], ["id"]
        )
        table.create_unique_constraint(op.f("uq_api_key_replaces_id"), ["replaces_id"])


def downgrade() -> None:
    with op.batch_alter_table("api_key") as table:
        table.drop_constraint(op.f("uq_api_key_replaces_id"), type_="unique")
        table.drop_constraint(op.f("fk_api_key_replaces_id_api_key"), type_="foreignkey")
        for name in ("replaces_id", *INSTANTS, *NEW):
            table.drop_column(name)
