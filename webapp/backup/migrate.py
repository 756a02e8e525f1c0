"""Bring a copy, be it empty or an older one, to the tables this Ballast works with."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from webapp.database.schema_version import SCRIPT_LOCATION, found_in, versions
from webapp.domain.shared.errors import Refusal


def bring_up(engine: Engine) -> None:
    """Raises `Refusal` for one that a newer Ballast has migrated."""
    with engine.connect() as connection:
        found = found_in(connection)
    if found and found not in versions():
        raise Refusal(
            f"It has tables of version {found}, which this Ballast does not know yet: "
            "update Ballast first."
        )
    if found != versions()[0]:
        config = Config(attributes={"engine": engine})
        config.set_main_option("script_location", SCRIPT_LOCATION)
        command.upgrade(config, "head")
