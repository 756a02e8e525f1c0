"""Fixtures for commands as an operator types them: `flask("accounts list --json")`."""

import shlex
import shutil

import pytest
from sqlalchemy import make_url

from tests.cli.installations import Installation, live
from tests.factories import World
from webapp.extensions import db


@pytest.fixture
def flask(app):
    runner = app.test_cli_runner()

    def run(line, **options):
        # A command is a separate process: it sees committed data only and leaves nothing open.
        db.session.remove()
        arguments = shlex.split(line) if isinstance(line, str) else line
        return runner.invoke(args=arguments, **options)

    return run


@pytest.fixture
def past(world):
    """An installation with data in every table."""
    live(world)
    return world


@pytest.fixture(scope="session")
def lived(migrated, tmp_path_factory):
    """The home of a SQLite installation with data and its own key, to be copied."""
    home = tmp_path_factory.mktemp("lived") / "home"
    shutil.copytree(migrated, home)
    installation = Installation(home, SECRET_KEY="")
    installation.ask(lambda: live(World(installation.app, db.session())))
    installation.close()
    return home


@pytest.fixture
def old(lived, tmp_path):
    """A copy of that installation, in use by no process."""
    installation = Installation(shutil.copytree(lived, tmp_path / "old"), SECRET_KEY="")
    yield installation
    installation.close()


@pytest.fixture
def install(tmp_path):
    """Return a function that creates an empty installation with this environment."""
    made = []

    def make(**environ):
        made.append(Installation(tmp_path / f"home-{len(made)}", **environ))
        return made[-1]

    yield make
    for installation in made:
        installation.close()


@pytest.fixture
def postgres_url(postgres):
    """The URL of an empty database, for tests marked `postgres`."""
    with postgres.database() as url:
        yield make_url(url).render_as_string()  # as an operator would enter it
