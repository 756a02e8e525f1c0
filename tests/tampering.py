"""Writes that bypass the database's guards, which the product's code cannot do."""

from sqlalchemy import text


def tamper(session, statement, **values):
    session.rollback()
    if session.get_bind().dialect.name == "sqlite":
        guards = session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        for guard in guards.all():
            session.execute(text(f"DROP TRIGGER {guard}"))
        session.execute(text("PRAGMA ignore_check_constraints = ON"))
    else:
        session.execute(text("SET LOCAL session_replication_role = replica"))  # no trigger fires
        checks = session.execute(
            text(
                "SELECT conrelid::regclass, conname FROM pg_constraint "
                "WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
            )
        )
        for table, check in checks.all():
            session.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {check}"))
    session.execute(text(statement), values)
    session.commit()
