"""Runs the migrations on the application's database, or on an engine passed by the caller."""

from pathlib import Path

import click
from alembic import context
from flask import current_app
from sqlalchemy import func, select

from webapp.database import schema_version
from webapp.database.base import (
    Base,
    UtcDateTime,
)
from webapp.extensions import services

handed_over = context.config.attributes.get("engine")
engine = handed_over or current_app.extensions["migrate"].db.engine


def render_item(kind, item, autogen_context):
    """Write `UtcDateTime` as a plain column: a migration must not depend on our own types."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def require_ours():
    """Raises `OtherVersion` for a database of a newer Ballast, `LostDatabase` for a lost one."""
    file = Path(engine.url.database or "")
    # SQLite never leaves an empty file, so this database was truncated or replaced.
    if engine.dialect.name == "sqlite" and file.is_file() and not file.stat().st_size:
        raise schema_version.LostDatabase(f"'{file}'")
    with engine.connect() as connection:
        if (
            not schema_version.has_been_migrated(connection)
            and services().settings.mark_file.exists()
        ):
            raise schema_version.LostDatabase
        schema_version.require_known(connection)


def run():
    if not handed_over:
        require_ours()
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
                # A process that starts at the same time waits and then finds the migration done.
                connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("migrations"))))
            before = context.get_context().get_current_revision()
            context.run_migrations()
            after = context.get_context().get_current_revision()
        if not handed_over:
            finish(before, after)


def finish(before, after):
    if before != after:
        click.echo(f"Migrated the database from {before or 'nothing'} to {after or 'nothing'}.")
    if after and not services().settings.mark_file.exists():
        services().settings.mark()


run()
