"""Commands as an operator types them: `flask("accounts list --json")`."""

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


@pytest.fixture
def postgres_url(postgres):
    """The address of an empty database; for tests that are marked `postgres`."""
    with postgres.database() as url:
        yield make_url(url).render_as_string()  # as it is told
