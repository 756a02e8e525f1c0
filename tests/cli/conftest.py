"""Commands as an operator types them: `flask("accounts list --json")`."""

import shlex
import shutil
from secrets import token_hex

import pytest
from sqlalchemy import create_engine, text

from tests.cli.installations import Installation, live
from tests.factories import World
from tests.throwaway_postgres import bin_folder, serve
from webapp.extensions import db


@pytest.fixture
def flask(app):
    runner = app.test_cli_runner()

    def run(line, **more):
        # A command is a process of its own: it sees what is committed, and leaves nothing open.
        db.session.remove()
        words = shlex.split(line) if isinstance(line, str) else line
        return runner.invoke(args=words, **more)

    return run


@pytest.fixture
def past(world):
    """An installation that has lived."""
    live(world)
    return world


@pytest.fixture(scope="session")
def lived(migrated, tmp_path_factory):
    """The home of an installation on SQLite that has a past and keeps its own key. To be copied."""
    home = tmp_path_factory.mktemp("lived") / "home"
    shutil.copytree(migrated, home)
    installation = Installation(home, SECRET_KEY="")
    installation.ask(lambda: live(World(installation.app, db.session())))
    installation.close()
    return home


@pytest.fixture
def old(lived, tmp_path):
    """Such an installation, which nobody is using now."""
    installation = Installation(shutil.copytree(lived, tmp_path / "old"), SECRET_KEY="")
    yield installation
    installation.close()


@pytest.fixture
def install(tmp_path):
    """Make another, empty installation; what is given is its environment."""
    made = []

    def make(**environ):
        made.append(Installation(tmp_path / f"home-{len(made)}", **environ))
        return made[-1]

    yield make
    for installation in made:
        installation.close()


@pytest.fixture(scope="session")
def postgres_server():
    if bin_folder() is None:
        pytest.skip("there is no PostgreSQL server on this machine")
    with serve() as url:
        yield create_engine(url, isolation_level="AUTOCOMMIT")


@pytest.fixture
def postgres_url(postgres_server):
    """A database of its own, empty; to be used in tests marked `postgres`."""
    name = f"test_{token_hex(6)}"
    with postgres_server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres_server.url.set(database=name).render_as_string()
    with postgres_server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
