"""Keep the audit log, the timeline and webhook events in one table of immutable events.

Webhook events keep their ids, because receivers know them. Then follow the entries of the audit log
and the lines of the timeline, each in their order.
"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

CHANGES = {"changed": "UPDATE", "removed": "DELETE"}
ABOUT = {
    "attempt_id": "attempt",
    "top_up_id": "top_up",
    "payment_id": "payment",
    "method_id": "payment_method",
    "wire_id": "wire_request",
}
INDEXES = {
    "ix_event_timeline": (["account_id", "id"], "timeline IS NOT NULL"),
    "ix_event_audit": (["account_id", "id"], "audit IS NOT NULL"),
    "ix_event_usage_too_large": (["at"], "timeline = 'usage_too_large'"),
    **{f"ix_event_{name}": ([name], f"{name} IS NOT NULL") for name in ABOUT},
}
WHAT = "id, account_id, kind, at, actor_name, address, facts"
NOBODY = "'Ballast', ''"


def upgrade():
    create_events()
    move_to_events()
    if on_sqlite():
        with op.batch_alter_table("webhook_delivery") as table:
            refer(table, "webhook_event", "event")
    else:
        refer(op, "webhook_event", "event", "webhook_delivery")
        op.execute(
            "SELECT setval(pg_get_serial_sequence('event', 'id'), (SELECT max(id) FROM event))"
        )
    op.create_index("ix_webhook_delivery_created_at", "webhook_delivery", ["created_at"])
    drop_triggers("audit_entry")
    for table in ("audit_entry", "decision", "webhook_event"):
        op.drop_table(table)
    with op.batch_alter_table("notice") as table:
        table.add_column(sa.Column("event_id", sa.Integer()))
        table.create_foreign_key("fk_notice_event_id_event", "event", ["event_id"], ["id"])
    partial_index("ix_notice_event_id", "notice", ["event_id"], "event_id IS NOT NULL")
    create_triggers("event", "events are append-only")


def downgrade():
    """Timeline lines that were recorded as events become their code in words.

    The former version cannot make the payloads of webhook events that were recorded as events: they
    are empty, and their pending deliveries fail instead of being sent with wrong data.
    """
    op.drop_index("ix_notice_event_id", "notice")
    with op.batch_alter_table("notice") as table:
        table.drop_constraint("fk_notice_event_id_event", type_="foreignkey")
        table.drop_column("event_id")
    create_former_tables()
    move_from_events()
    op.drop_index("ix_webhook_delivery_created_at", "webhook_delivery")
    if on_sqlite():
        with op.batch_alter_table("webhook_delivery") as table:
            refer(table, "event", "webhook_event")
    else:
        refer(op, "event", "webhook_event", "webhook_delivery")
        for table in ("audit_entry", "decision", "webhook_event"):
            op.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), "
                f"(SELECT max(id) FROM {table}))"
            )
    drop_triggers("event")
    op.drop_table("event_repeat")
    op.drop_table("event")
    create_triggers("audit_entry", "the audit log is append-only")


def on_sqlite():
    return op.get_bind().dialect.name == "sqlite"


def partial_index(name, table, columns, where):
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def reference(table, column, target):
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], f"fk_{table}_{column}_{target}")


def refer(operations, old, new, *table):
    """Let deliveries refer to another table of events."""
    name = "fk_webhook_delivery_event_id_"
    operations.drop_constraint(f"{name}{old}", *table, type_="foreignkey")
    operations.create_foreign_key(f"{name}{new}", *table, new, ["event_id"], ["id"])


def create_events():
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer()),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Integer()),
        sa.Column("actor_name", sa.String(120), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("timeline", sa.String(40)),
        sa.Column("audit", sa.String(60)),
        sa.Column("webhook", sa.String(40)),
        *(sa.Column(name, sa.Integer()) for name in ABOUT),
        reference("event", "account_id", "account"),
        reference("event", "user_id", "user"),
        *(reference("event", name, table) for name, table in ABOUT.items()),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_account_id_id", "event", ["account_id", "id"])
    for name, (columns, where) in INDEXES.items():
        partial_index(name, "event", columns, where)
    op.create_table(
        "event_repeat",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        reference("event_repeat", "event_id", "event"),
        sa.PrimaryKeyConstraint("event_id", name="pk_event_repeat"),
    )


def move_to_events():
    make = "json_object" if on_sqlite() else "json_build_object"
    data = "json(data)" if on_sqlite() else "data"
    op.execute(
        f"INSERT INTO event ({WHAT}, webhook) SELECT id, account_id, kind, at, {NOBODY}, "
        f"{make}('data', {data}), kind FROM webhook_event"
    )
    first = op.get_bind().scalar(sa.text("SELECT coalesce(max(id), 0) FROM event"))
    op.execute(
        f"INSERT INTO event ({WHAT}, user_id, audit) SELECT id + {first}, account_id, what, at, "
        "actor_name, address, details, user_id, what FROM audit_entry"
    )
    first = op.get_bind().scalar(sa.text("SELECT coalesce(max(id), 0) FROM event"))
    op.execute(
        f"INSERT INTO event ({WHAT}, timeline, attempt_id, top_up_id) SELECT id + {first}, "
        f"account_id, code, first_at, {NOBODY}, {make}('sentence', sentence), code, attempt_id, "
        "top_up_id FROM decision"
    )
    op.execute(
        "INSERT INTO event_repeat (event_id, times, last_at) "
        f"SELECT id + {first}, times, last_at FROM decision WHERE times > 1"
    )


def move_from_events():
    sentence, data = (
        ("json_extract(facts, '$.sentence')", "json_extract(facts, '$.data')")
        if on_sqlite()
        else ("facts ->> 'sentence'", "facts -> 'data'")
    )
    op.execute(
        "UPDATE webhook_delivery SET state = 'failed' WHERE state = 'owed' AND event_id IN "
        f"(SELECT id FROM event WHERE webhook IS NOT NULL AND {data} IS NULL)"
    )
    op.execute(
        "INSERT INTO webhook_event (id, account_id, kind, data, at) "
        f"SELECT id, account_id, webhook, coalesce({data}, '{{}}'), at FROM event "
        "WHERE webhook IS NOT NULL"
    )
    op.execute(
        "INSERT INTO audit_entry (id, account_id, user_id, actor_name, address, what, details, at) "
        "SELECT id, account_id, user_id, actor_name, address, audit, facts, at FROM event "
        "WHERE audit IS NOT NULL"
    )
    op.execute(
        "INSERT INTO decision (id, account_id, code, sentence, attempt_id, top_up_id, times, "
        f"first_at, last_at) SELECT id, account_id, timeline, coalesce({sentence}, timeline), "
        "attempt_id, top_up_id, coalesce(times, 1), at, coalesce(last_at, at) FROM event "
        "LEFT JOIN event_repeat ON event_id = id WHERE timeline IS NOT NULL"
    )


def create_former_tables():
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer()),
        sa.Column("user_id", sa.Integer()),
        sa.Column("actor_name", sa.String(120), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("what", sa.String(60), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        reference("audit_entry", "account_id", "account"),
        reference("audit_entry", "user_id", "user"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entry"),
    )
    op.create_index("ix_audit_entry_account_id_id", "audit_entry", ["account_id", "id"])
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Integer()),
        sa.Column("top_up_id", sa.Integer()),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        reference("decision", "account_id", "account"),
        reference("decision", "attempt_id", "attempt"),
        reference("decision", "top_up_id", "top_up"),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
    )
    op.create_index("ix_decision_account_id_id", "decision", ["account_id", "id"])
    for name in ("attempt_id", "top_up_id"):
        partial_index(f"ix_decision_{name}", "decision", [name], f"{name} IS NOT NULL")
    too_large = "code = 'usage_too_large'"
    partial_index("ix_decision_usage_too_large", "decision", ["last_at"], too_large)
    op.create_table(
        "webhook_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        reference("webhook_event", "account_id", "account"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_event"),
    )
    op.create_index("ix_webhook_event_account_id_id", "webhook_event", ["account_id", "id"])
    op.create_index("ix_webhook_event_at", "webhook_event", ["at"])


def create_triggers(table, why):
    """Refuse UPDATE, DELETE and TRUNCATE."""
    if on_sqlite():
        for done, change in CHANGES.items():
            op.execute(
                f"CREATE TRIGGER {table}_is_never_{done} BEFORE {change} ON {table} "
                f"FOR EACH ROW BEGIN SELECT RAISE(ABORT, '{why}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_stands() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{why}' USING ERRCODE = 'check_violation'; END $$"
    )
    for done, change in {**CHANGES, "emptied": "TRUNCATE"}.items():
        # Row triggers do not fire for TRUNCATE.
        each = "STATEMENT" if change == "TRUNCATE" else "ROW"
        op.execute(
            f"CREATE TRIGGER {table}_is_never_{done} BEFORE {change} ON {table} "
            f"FOR EACH {each} EXECUTE FUNCTION {table}_stands()"
        )


def drop_triggers(table):
    if on_sqlite():
        for done in CHANGES:
            op.execute(f"DROP TRIGGER {table}_is_never_{done}")
        return
    for done in (*CHANGES, "emptied"):
        op.execute(f"DROP TRIGGER {table}_is_never_{done} ON {table}")
    op.execute(f"DROP FUNCTION {table}_stands()")
