"""Migrate an empty or older database to this version's tables."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from webapp.database.schema_version import (
    SCRIPT_LOCATION,
    found_in,
    is_too_old,
    too_old,
    versions,
)
from webapp.domain.shared.errors import Refusal


def migrate(engine: Engine) -> None:
    """Upgrade the tables. Raises `Refusal` if they are too old, or of a newer Ballast."""
    with engine.connect() as connection:
        found = found_in(connection)
    if is_too_old(found):
        raise Refusal(f"{too_old(found)}.")
    if found and found not in versions():
        raise Refusal(
            f"The database has tables of version {found}, which this Ballast does not know: "
            "update Ballast first."
        )
    if found != versions()[0]:
        config = Config(attributes={"engine": engine})
        config.set_main_option("script_location", SCRIPT_LOCATION)
        command.upgrade(config, "head")
