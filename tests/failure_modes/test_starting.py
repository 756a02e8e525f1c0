"""What keeps Ballast from starting is one line with the remedy, for every command (F14, bug13).

Real processes: most of it happens before a command of ours is reached.
"""

import os
import shutil
import socket
import sqlite3
from contextlib import closing

import click
import pytest
from click.testing import CliRunner
from flask.cli import FlaskGroup

from tests.conftest import migrate, settings_in
from tests.failure_modes.conftest import PATIENCE, new_process
from webapp.app import create_app
from webapp.cli import COMMANDS, GROUPS
from webapp.cli.shared.output import faults_in_one_line
from webapp.database import schema_version

UPGRADE = ("db", "upgrade")
LIST = ("accounts", "list")


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """The home of an installation that has been set up, and keeps its own key."""
    home = tmp_path_factory.mktemp("used") / "home"
    migrate(settings_in(home, SECRET_KEY=""))
    return home


@pytest.fixture
def process(used, tmp_path):
    shutil.copytree(used, tmp_path / "home", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    with new_process(tmp_path / "home", tmp_path / "process.log") as process:
        del process.environ["SECRET_KEY"]
        yield process


def told(process, *words):
    """The one line on the error stream, of a command that fails."""
    ended = process.flask(*words)
    assert ended.returncode != 0, ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ended.stdout == ""
    # What was readable for others is closed at the first start, with a warning in the log.
    lines = [line for line in ended.stderr.splitlines() if "Closed to other users" not in line]
    assert len(lines) == 1, ended.stderr
    return lines[0]


def empty(home):
    (home / "ballast.db").write_bytes(b"")


def gone(home):
    (home / "ballast.db").unlink()


def cut_off(home):
    os.truncate(home / "ballast.db", 100_000)


def garbage(home):
    (home / "ballast.db").write_bytes(b"not a database" * 4096)


def newer(home):
    with closing(sqlite3.connect(home / "ballast.db")) as file, file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")


@pytest.mark.parametrize(
    ("harm", "reason", "remedy"),
    [
        (empty, "is empty", "restore a backup"),
        (gone, "is empty", "restore a backup"),
        (cut_off, "damaged", "restore a backup"),
        (garbage, "damaged", "restore a backup"),
        (newer, "9999", "start the newer version"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_database_that_cannot_be_used_is_told_in_one_line(process, harm, reason, remedy):
    """F14: what `make run` asks first, and a command."""
    harm(process.home)
    upgraded = told(process, *UPGRADE)
    assert reason in upgraded
    assert remedy in upgraded
    listed = told(process, *LIST)
    assert reason in listed
    assert told(process, *UPGRADE).partition(" is ")[2] == upgraded.partition(" is ")[2]


def test_an_empty_file_beside_a_key_starts_no_new_installation(process):
    """F14: also where an earlier Ballast has left no mark."""
    (process.home / "installation").unlink()
    empty(process.home)
    assert "is empty" in told(process, *UPGRADE)
    assert (process.home / "ballast.db").stat().st_size == 0


def test_a_new_installation_is_set_up_with_one_line(process, tmp_path):
    """`make run`: not a line for each migration."""
    process.environ["BALLAST_HOME"] = str(tmp_path / "new")
    made = process.flask(*UPGRADE)
    assert made.returncode == 0, made.stderr
    assert made.stdout == f"Migrated the database from nothing to {schema_version.versions()[0]}.\n"
    assert process.flask(*UPGRADE).stdout == ""
    assert process.flask(*LIST).returncode == 0


@pytest.mark.parametrize("words", [UPGRADE, LIST, ("routes",), ("--help",)])
def test_another_secret_key_is_refused(process, words):
    process.environ["SECRET_KEY"] = "hush"
    line = told(process, *words)
    assert line.startswith("SECRET_KEY: not the key used before; restore the previous key")
    assert "hush" not in line


def test_a_key_file_that_is_gone_is_not_replaced(process):
    (process.home / "secret_key").unlink()
    assert told(process, *UPGRADE).startswith("SECRET_KEY: ")
    assert not (process.home / "secret_key").exists()
    (process.home / "installation").unlink()
    assert process.flask(*UPGRADE).returncode == 0
    assert process.flask(*LIST).returncode == 0


def test_damaged_books_of_the_sandbox_are_named(process):
    (process.home / "sandbox.db").write_bytes(b"not a database" * 4096)
    for words in (UPGRADE, LIST):
        assert "sandbox.db" in told(process, *words)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://u:hush@127.0.0.1:1/db", "does not respond"),
        ("postgresql://u:hush@nowhere.invalid/db", "does not respond"),
        ("postgresql://u:hush@127.0.0.1:port/db", "not an address"),
    ],
)
def test_a_server_that_does_not_answer_is_told_in_one_line(process, url, reason):
    """cases/bug13: 153 lines of traceback."""
    process.environ["DATABASE_URL"] = url
    for words in (UPGRADE, LIST):
        line = told(process, *words)
        assert reason in line
        assert "DATABASE_URL" in line
        assert "hush" not in line


def test_an_empty_server_beside_a_used_home_is_refused(process, postgres):
    """F14: DATABASE_URL names another database than before."""
    with postgres.database() as url:
        process.environ["DATABASE_URL"] = url
        assert "correct DATABASE_URL" in told(process, *UPGRADE)


def leaves(command, *before):
    """Of a group of ours; `jobs start` waits until the database can be used."""
    if before == ("jobs", "start"):
        return
    if isinstance(command, click.Group):
        for name, part in command.commands.items():
            yield from leaves(part, *before, name)
    else:
        yield before, command


def arguments(command, file):
    """A readable word for each that the command insists on."""
    words = {
        "instant": "2026-01-01T00:00:00Z",
        "path": str(file),
        "filename": str(file),
        "file": str(file),
        "url": "postgresql://ballast@127.0.0.1:1/db",
    }
    for one in command.params:
        if one.required:
            choices = getattr(one.type, "choices", None)
            word = next(iter(choices)) if choices else words.get(one.type.name, "1")
            if isinstance(one, click.Option):
                yield one.opts[0]
            if not getattr(one, "is_flag", False):
                yield str(word)


def test_every_command_tells_a_damaged_database_in_one_line(used, tmp_path):
    """F14: all of ours, and those of Flask-Migrate that ask the database."""
    home, file = tmp_path / "home", tmp_path / "file.csv"
    shutil.copytree(used, home, ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    garbage(home)
    file.write_text("account,amount,reference\n1,1.00,a\n")
    app = create_app(settings_in(home, SECRET_KEY=""))

    def as_wsgi_does():
        click.get_current_context().find_root().with_resource(faults_in_one_line())
        return app

    asking = ("check", "current", "downgrade", "upgrade")
    commands = [("db", name) for name in asking]
    ours = [*(group.commands for group in set(GROUPS)), *COMMANDS]
    for one in ours:
        named = tmp_path / "new" if one.name == "backup" else file
        commands += [(*words, *arguments(leaf, named)) for words, leaf in leaves(one, one.name)]
    told = {}
    for words in commands:
        runner = CliRunner(catch_exceptions=False)
        result = runner.invoke(FlaskGroup(create_app=as_wsgi_does), list(words), input="")
        told[words] = (result.exit_code, result.stdout, result.stderr)
    wrong = {
        words: said
        for words, said in told.items()
        if said[:2] != (1, "") or said[2].count("\n") != 1 or "damaged" not in said[2]
    }
    assert wrong == {}
    assert len(commands) > 50


def reason_of(process):
    """All that it says after gunicorn's name and version."""
    name, reason = process.said.splitlines()
    assert "Starting gunicorn" in name
    return reason


def test_a_busy_port_is_told_in_one_line(process):
    """`make run`: gunicorn alone tries for five seconds and says it in eleven lines."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process.environ["PORT"] = str(port)
        process.start("gunicorn", "--config", "deploy/gunicorn.conf.py", "wsgi:app")
        assert process.handle.wait(PATIENCE) != 0
    assert reason_of(process) == (
        f"PORT: {port} is in use on 127.0.0.1, perhaps by another Ballast; stop that program, "
        f"or set another one: PORT={port + 1} make run"
    )


@pytest.mark.parametrize(
    ("host", "reason"),
    [("192.0.2.1", "is not an address of this machine"), ("nowhere.invalid", "is unknown")],
)
def test_an_address_that_is_not_of_this_machine_is_told_in_one_line(process, host, reason):
    process.environ["HOST"] = host
    process.start("gunicorn", "--config", "deploy/gunicorn.conf.py", "wsgi:app")
    assert process.handle.wait(PATIENCE) != 0
    assert reason_of(process).startswith("HOST: ")
    assert reason in reason_of(process)
