"""Runs the migrations on the application's own database, or on the one that is handed over."""

from alembic import context
from flask import current_app
from sqlalchemy import func, select

from webapp.domain.base import Base, UtcDateTime

engine = context.config.attributes.get("engine") or current_app.extensions["migrate"].db.engine


def render_item(kind, item, autogen_context):
    """In a migration an instant is a plain column: it must not change when our type does."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run() -> None:
    with engine.connect().execution_options(writes=True) as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_item=render_item,
            render_as_batch=True,
            compare_type=True,
        )
        with context.begin_transaction():
            if connection.dialect.name == "postgresql":
                # Who starts at the same time waits, and then finds it done.
                connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("migrations"))))
            context.run_migrations()


run()
