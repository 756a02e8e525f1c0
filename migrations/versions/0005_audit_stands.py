"""Make the audit log append-only: triggers refuse UPDATE, DELETE and TRUNCATE."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

EVENTS = {"changed": "UPDATE", "removed": "DELETE"}
WORDS = "the audit log is append-only"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for done, event in EVENTS.items():
            op.execute(
                f"CREATE TRIGGER audit_entry_is_never_{done} BEFORE {event} ON audit_entry "
                f"FOR EACH ROW BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_entry_stands() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{WORDS}' USING ERRCODE = 'check_violation'; END $$"
    )
    for done, event in {**EVENTS, "emptied": "TRUNCATE"}.items():
        # Row triggers do not fire for TRUNCATE.
        each = "STATEMENT" if event == "TRUNCATE" else "ROW"
        op.execute(
            f"CREATE TRIGGER audit_entry_is_never_{done} BEFORE {event} ON audit_entry "
            f"FOR EACH {each} EXECUTE FUNCTION audit_entry_stands()"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for done in EVENTS:
            op.execute(f"DROP TRIGGER audit_entry_is_never_{done}")
        return
    for done in (*EVENTS, "emptied"):
        op.execute(f"DROP TRIGGER audit_entry_is_never_{done} ON audit_entry")
    op.execute("DROP FUNCTION audit_entry_stands()")
