"""Runs the migrations on the application's own database."""

from alembic import context
from flask import current_app

from webapp.domain.base import UtcDateTime

database = current_app.extensions["migrate"].db


def render_item(kind, item, autogen_context):
    """In a migration an instant is a plain column: it must not change when our type does."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run() -> None:
    with database.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            render_item=render_item,
            render_as_batch=True,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
