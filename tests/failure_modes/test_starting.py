"""Faults at start-up are one line with a remedy, for every command.

Real processes, because most faults occur before a command's own code runs.
"""

import os
import socket
import sqlite3
from contextlib import closing

import click
import pytest
from click.testing import CliRunner
from flask.cli import FlaskGroup

from tests.conftest import copy_home, migrate, settings_in
from tests.failure_modes.conftest import PATIENCE, new_process
from tests.processes import WEB
from webapp.app import create_app
from webapp.cli import COMMANDS, GROUPS
from webapp.cli.shared.output import faults_in_one_line
from webapp.database import schema_version

UPGRADE = ("db", "upgrade")
LIST = ("accounts", "list")


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """The home of an installation with a database and its own key."""
    home = tmp_path_factory.mktemp("used") / "home"
    migrate(settings_in(home, SECRET_KEY=""))
    return home


@pytest.fixture
def process(used, tmp_path):
    copy_home(used, tmp_path / "home")
    with new_process(tmp_path / "home", tmp_path / "process.log") as process:
        del process.environ["SECRET_KEY"]
        yield process


def error_line(process, *arguments):
    """Run a command that must fail, and return its single line on stderr."""
    ended = process.flask(*arguments)
    assert ended.returncode != 0, ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ended.stdout == ""
    # The first start closes files to other users and logs a warning about it.
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
def test_an_unusable_database_is_reported_in_one_line(process, harm, reason, remedy):
    """By `db upgrade`, which `make run` runs first, and by another command."""
    harm(process.home)
    upgraded = error_line(process, *UPGRADE)
    assert reason in upgraded
    assert remedy in upgraded
    listed = error_line(process, *LIST)
    assert reason in listed
    assert error_line(process, *UPGRADE).partition(" is ")[2] == upgraded.partition(" is ")[2]


def test_an_empty_file_beside_a_key_is_no_new_installation(process):
    """Even without the marker file of newer versions."""
    (process.home / "installation").unlink()
    empty(process.home)
    assert "is empty" in error_line(process, *UPGRADE)
    assert (process.home / "ballast.db").stat().st_size == 0


def test_a_new_installation_prints_one_line(process, tmp_path):
    """`make run` prints no line for each migration."""
    process.environ["BALLAST_HOME"] = str(tmp_path / "new")
    made = process.flask(*UPGRADE)
    assert made.returncode == 0, made.stderr
    assert made.stdout == f"Migrated the database from nothing to {schema_version.versions()[0]}.\n"
    assert process.flask(*UPGRADE).stdout == ""
    assert process.flask(*LIST).returncode == 0


@pytest.mark.parametrize("arguments", [UPGRADE, LIST, ("routes",), ("--help",)])
def test_a_changed_secret_key_is_refused(process, arguments):
    process.environ["SECRET_KEY"] = "hush"
    line = error_line(process, *arguments)
    assert line.startswith("SECRET_KEY: not the key used before; restore the previous key")
    assert "hush" not in line


def test_a_missing_key_file_is_not_replaced(process):
    (process.home / "secret_key").unlink()
    assert error_line(process, *UPGRADE).startswith("SECRET_KEY: ")
    assert not (process.home / "secret_key").exists()
    (process.home / "installation").unlink()
    assert process.flask(*UPGRADE).returncode == 0
    assert process.flask(*LIST).returncode == 0


def test_damaged_sandbox_books_are_named(process):
    (process.home / "sandbox.db").write_bytes(b"not a database" * 4096)
    for arguments in (UPGRADE, LIST):
        assert "sandbox.db" in error_line(process, *arguments)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://u:hush@127.0.0.1:1/db", "does not respond"),
        ("postgresql://u:hush@nowhere.invalid/db", "does not respond"),
        ("postgresql://u:hush@127.0.0.1:port/db", "not a URL"),
    ],
)
def test_an_unreachable_database_server_is_reported_in_one_line(process, url, reason):
    """Without this check, it was a traceback of 153 lines."""
    process.environ["DATABASE_URL"] = url
    for arguments in (UPGRADE, LIST):
        line = error_line(process, *arguments)
        assert reason in line
        assert "DATABASE_URL" in line
        assert "hush" not in line


def test_an_empty_database_server_with_a_used_home_is_refused(process, postgres):
    """DATABASE_URL names another database than before."""
    with postgres.database() as url:
        process.environ["DATABASE_URL"] = url
        assert "correct DATABASE_URL" in error_line(process, *UPGRADE)


def leaf_commands(command, *before):
    """Yield the commands of a group, except `jobs start`, which waits for the database."""
    if before == ("jobs", "start"):
        return
    if isinstance(command, click.Group):
        for name, part in command.commands.items():
            yield from leaf_commands(part, *before, name)
    else:
        yield before, command


def required_arguments(command, file):
    """Yield a valid value for each required argument and option of the command."""
    values = {
        "instant": "2026-01-01T00:00:00Z",
        "path": str(file),
        "filename": str(file),
        "file": str(file),
        "url": "postgresql://ballast@127.0.0.1:1/db",
    }
    for parameter in command.params:
        if parameter.required:
            choices = getattr(parameter.type, "choices", None)
            value = next(iter(choices)) if choices else values.get(parameter.type.name, "1")
            if isinstance(parameter, click.Option):
                yield parameter.opts[0]
            if not getattr(parameter, "is_flag", False):
                yield str(value)


def test_every_command_reports_a_damaged_database_in_one_line(used, tmp_path):
    """All of Ballast's commands, and those of Flask-Migrate that use the database."""
    home, file = tmp_path / "home", tmp_path / "file.csv"
    copy_home(used, home)
    garbage(home)
    file.write_text("account,amount,reference\n1,1.00,a\n")
    app = create_app(settings_in(home, SECRET_KEY=""))

    def create_app_as_wsgi():
        click.get_current_context().find_root().with_resource(faults_in_one_line())
        return app

    migrate_commands = ("check", "current", "downgrade", "upgrade")
    commands = [("db", name) for name in migrate_commands]
    ours = [*(group.commands for group in set(GROUPS)), *COMMANDS]
    for command in ours:
        named = tmp_path / "new" if command.name == "backup" else file
        commands += [
            (*path, *required_arguments(leaf, named))
            for path, leaf in leaf_commands(command, command.name)
        ]
    results = {}
    for arguments in commands:
        runner = CliRunner(catch_exceptions=False)
        result = runner.invoke(FlaskGroup(create_app=create_app_as_wsgi), list(arguments), input="")
        results[arguments] = (result.exit_code, result.stdout, result.stderr)
    wrong = {
        arguments: result
        for arguments, result in results.items()
        if result[:2] != (1, "") or result[2].count("\n") != 1 or "damaged" not in result[2]
    }
    assert wrong == {}
    assert len(commands) > 50


def reason_of(process):
    """Return the output after gunicorn's own line."""
    name, reason = process.output.splitlines()
    assert "Starting gunicorn" in name
    return reason


def test_a_busy_port_is_reported_in_one_line(process):
    """gunicorn alone retries for five seconds and prints eleven lines."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process.environ["PORT"] = str(port)
        process.start(*WEB)
        assert process.handle.wait(PATIENCE) == 1
    assert reason_of(process) == (
        f"PORT: {port} is in use on 127.0.0.1, perhaps by another Ballast; stop that program, "
        f"or set another one: PORT={port + 1} make run"
    )


@pytest.mark.parametrize(
    ("host", "reason"),
    [("192.0.2.1", "is not an address of this machine"), ("nowhere.invalid", "is unknown")],
)
def test_an_unusable_host_is_reported_in_one_line(process, host, reason):
    process.environ["HOST"] = host
    process.start(*WEB)
    assert process.handle.wait(PATIENCE) == 1
    assert reason_of(process).startswith("HOST: ")
    assert reason in reason_of(process)
