"""Which tables a database has, by the revision of its last migration."""

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from webapp.domain.errors import Refusal
from webapp.settings import ROOT


def bring_up(engine: Engine) -> None:
    """Migrate a database, be it empty or an older one, to the tables this Ballast works with.

    Raises `Refusal` for one that a newer Ballast has migrated.
    """
    with engine.connect() as connection:
        found = revision(connection)
    if found and found not in _known():
        raise Refusal(
            f"It has tables of revision {found}, which this Ballast does not know yet: "
            "update Ballast first."
        )
    if found != newest():
        command.upgrade(_config(engine), "head")


def insist_on_ours(connection: Connection) -> None:
    """Raises `Refusal` where the database is to be migrated first."""
    found = revision(connection)
    if found != newest():
        raise Refusal(
            f"The database has tables of revision {found or 'none'}, and this Ballast works with "
            f"{newest()}. Run: flask --app wsgi db upgrade"
        )


def revision(connection: Connection) -> str:
    """Empty for a database that was never migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.scalar(text("SELECT version_num FROM alembic_version")) or ""


def newest() -> str:
    return _known()[0]


@cache
def _known() -> tuple[str, ...]:
    """The newest first."""
    script = ScriptDirectory.from_config(_config())
    return tuple(step.revision for step in script.walk_revisions())


def _config(engine: Engine | None = None) -> Config:
    config = Config(attributes={"engine": engine})
    config.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    return config
