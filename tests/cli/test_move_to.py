"""`flask move-to`: from SQLite to PostgreSQL in one command."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from sqlalchemy import create_engine, text

from tests.cli.installations import Installation, rows
from tests.factories import VISA, World
from webapp.extensions import db
from webapp.settings import ROOT

pytestmark = pytest.mark.postgres


def connect(home):
    return closing(sqlite3.connect(home / "ballast.db"))


def moved_message(url):
    return f"This database was moved to {url} on 2026-11-22. Set DATABASE_URL to where it is."


def tables_in(url):
    with create_engine(url).connect() as connection:
        return connection.scalar(
            text("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
        )


def test_every_row_is_copied(old, postgres_url):
    before = old.ask(rows)
    moved = old.flask(f"move-to {postgres_url} --json")

    assert moved.exit_code == 0, moved.output
    result = json.loads(moved.stdout)
    assert (result["to"], result["accounts"]) == (postgres_url, 3)
    new = Installation(old.home, DATABASE_URL=postgres_url, SECRET_KEY="")
    assert new.ask(rows) == before
    assert new.flask("ledger check").exit_code == 0
    new.close()


def test_the_moved_installation_keeps_working(old, postgres_url):
    """L2, L3: ids continue, triggers are in place, and open work is continued."""
    assert old.flask(f"move-to {postgres_url}").exit_code == 0
    new = Installation(old.home, DATABASE_URL=postgres_url, SECRET_KEY="")

    def continue_working():
        world = World(new.app, db.session())
        world.pay(world.card(VISA), "30.00")
        assert world.balance == "130.00"
        world.account_id = 1
        world.clock.advance(minutes=1)
        world.run()
        return world.balance

    assert new.ask(continue_working) == "1229.626544"
    assert new.flask("ledger check").exit_code == 0
    new.close()


def test_moving_back_is_possible_with_a_backup(old, postgres_url, install, tmp_path):
    """The same rows are restored from PostgreSQL into another SQLite file."""
    before = old.ask(rows)
    old.flask(f"move-to {postgres_url}")
    new = Installation(old.home, DATABASE_URL=postgres_url, SECRET_KEY="")
    assert new.flask(f"backup {tmp_path / 'backup'}").exit_code == 0
    new.close()
    back = install(SECRET_KEY="")
    assert back.flask(f"restore {tmp_path / 'backup'}").exit_code == 0
    assert back.ask(rows) == before


def test_a_backup_of_sqlite_is_restored_into_postgresql(old, postgres_url, install, tmp_path):
    assert old.flask(f"backup {tmp_path / 'backup'}").exit_code == 0
    new = install(DATABASE_URL=postgres_url, SECRET_KEY="")
    assert new.flask(f"restore {tmp_path / 'backup'}").exit_code == 0
    assert new.ask(rows) == old.ask(rows)


class TestTheOldDatabase:
    @pytest.fixture
    def moved(self, old, postgres_url):
        assert old.flask(f"move-to {postgres_url}").exit_code == 0
        return old

    def test_the_old_database_is_readable_and_refuses_every_write(self, moved, postgres_url):
        assert moved.flask("ledger check").exit_code == 0
        with connect(moved.home) as file:
            for statement in (
                "UPDATE account SET name = 'x'",
                "DELETE FROM notice",
                "INSERT INTO top_up (account_id, state, cause, opened_at) VALUES (1, '', '', '')",
            ):
                with pytest.raises(sqlite3.IntegrityError, match="This database was moved to"):
                    file.execute(statement)

    @pytest.mark.parametrize("start", ["wsgi.py", "deploy/gunicorn.conf.py"])
    def test_no_server_starts_on_the_old_database(self, moved, postgres_url, start):
        environ = {**os.environ, "BALLAST_HOME": str(moved.home), "RUN_JOBS": "0"}
        started = subprocess.run(
            [sys.executable, start], cwd=ROOT, env=environ, capture_output=True, text=True
        )
        assert started.returncode == 1
        assert started.stderr == f"DATABASE_URL: {moved_message(postgres_url)}\n"

    def test_commands_are_refused_on_the_old_database(self, moved, postgres_url, tmp_path):
        """A nightly backup, for example, would keep copying outdated data."""
        for line in (f"backup {tmp_path}", f"move-to {postgres_url}", "accounts paypal 1 off"):
            failed = moved.flask(line)
            assert (failed.exit_code, failed.stdout) == (1, "")
            assert failed.stderr.splitlines()[-1] == f"Error: {moved_message(postgres_url)}"


class TestAFailedMove:
    @pytest.fixture
    def unmoved(self, old):
        before = old.ask(rows)
        yield
        assert old.ask(rows) == before
        with connect(old.home) as file:
            file.execute("UPDATE account SET revision = revision + 1")

    def test_a_database_in_use_by_another_process_is_not_moved(self, unmoved, old, postgres_url):
        """A debit answered during the move would be lost."""
        with connect(old.home) as other:
            other.execute("SELECT count(*) FROM account").fetchone()
            failed = old.flask(f"move-to {postgres_url}")
        assert failed.exit_code == 1
        assert "Another process has the database open. Stop the server" in failed.stderr
        assert tables_in(postgres_url) == 0

    def test_a_target_with_rows_is_refused(self, unmoved, old, postgres_url, install):
        taken = install(DATABASE_URL=postgres_url, SECRET_KEY="")
        taken.flask("db upgrade")
        taken.flask("accounts create --name A --email a@b.example --password correct-horse")
        there = taken.ask(rows)
        failed = old.flask(f"move-to {postgres_url}")
        assert failed.exit_code == 1
        assert f"{postgres_url} is not empty: there are rows in account." in failed.stderr
        assert taken.ask(rows) == there

    @pytest.fixture
    def oversized(self, old):
        """SQLite does not enforce lengths."""
        with connect(old.home) as file, file:
            file.execute("UPDATE notice SET about = hex(zeroblob(100)) || id")

    def test_a_row_refused_by_the_target_stops_the_move(
        self, oversized, unmoved, old, postgres_url, install
    ):
        """The copy is one transaction."""
        failed = old.flask(f"move-to {postgres_url}")
        assert failed.exit_code == 1
        assert "A row of notice was rejected: value too long" in failed.stderr
        assert not any(install(DATABASE_URL=postgres_url, SECRET_KEY="").ask(rows).values())

    def test_inconsistent_books_are_not_moved(self, unmoved, old, postgres_url):
        with closing(sqlite3.connect(old.home / "sandbox.db")) as books, books:
            books.execute("UPDATE charge SET amount = amount + 10000")
        failed = old.flask(f"move-to {postgres_url}")
        assert failed.exit_code == 1
        assert "The ledger must be correct before the move. The sandbox took" in failed.stderr
        assert tables_in(postgres_url) == 0

    def test_an_unreachable_target_is_reported(self, unmoved, old):
        failed = old.flask("move-to postgresql://ballast:hidden@127.0.0.1:1/ballast")
        assert failed.exit_code == 1
        assert "127.0.0.1" in failed.stderr
        assert "hidden" not in failed.output


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        ("mysql://me:hidden@host/x", 2, "got mysql://"),
        ("postgresql://me:hidden@host:port/x", 2, "use postgresql+psycopg://"),
        ("sqlite:///other.db", 1, "moves from SQLite to PostgreSQL only"),
    ],
)
def test_an_invalid_target_is_refused(flask, world, url, code, message):
    failed = flask(f"move-to {url}")
    assert failed.exit_code == code
    assert message in failed.stderr
    assert "hidden" not in failed.output
