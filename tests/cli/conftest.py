"""Commands as an operator types them: `flask("accounts list --json")`."""

import shlex

import pytest

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
