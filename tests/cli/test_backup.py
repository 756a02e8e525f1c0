"""`flask backup`: one file that is proved before it counts, while the server goes on working."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
import tarfile
from contextlib import closing

import pytest

from tests import wires
from tests.tampering import tamper
from webapp.settings import ROOT


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def members(file):
    with tarfile.open(file) as tar:
        return {member.name.removeprefix("ballast/") for member in tar}


def test_it_says_what_it_holds(flask, past, folder):
    made = flask(f"backup {folder / 'b.tar.gz'} --json")

    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["file"] == str(folder / "b.tar.gz")
    assert told["size"] == (folder / "b.tar.gz").stat().st_size
    assert told["made_at"] == "2026-11-22T10:00:00+00:00"
    assert (told["accounts"], told["proofs"], told["lost_proofs"]) == (2, 2, [])
    assert told["ledger_entries"] == json.loads(flask("ledger check --json").stdout)["entries"]
    assert told["balances"] == ["1196.126544 USD"]
    assert told["newest_entry"] == "2026-11-22T10:00:00Z"
    assert "balances        1196.126544 USD" in flask(f"backup {folder / 'again'}").stdout


def test_nobody_else_can_read_it_and_nothing_else_is_left(flask, past, folder):
    assert flask(f"backup {folder / 'b.tar.gz'}").exit_code == 0

    assert files_in(folder) == ["b.tar.gz"]
    assert stat.S_IMODE((folder / "b.tar.gz").stat().st_mode) == 0o600
    proofs = {f"proofs/{file.parent.name}/{file.name}" for file in wires.proof_files(past)}
    assert members(folder / "b.tar.gz") == {"ballast.db", "sandbox.db", "manifest.json", *proofs}


def test_in_a_folder_it_is_named_by_the_time(flask, world, folder):
    for _ in range(2):
        assert flask(f"backup {folder}").exit_code == 0
        world.clock.advance(days=1)
    assert files_in(folder) == ["ballast-20261122-100000.tar.gz", "ballast-20261123-100000.tar.gz"]


def test_no_backup_is_written_over_another(flask, world, folder):
    file = folder / "backup.tar.gz"
    file.write_text("an earlier one")
    failed = flask(f"backup {file}")
    assert (failed.exit_code, failed.stderr.count("\n")) == (1, 1)
    assert "already exists" in failed.stderr
    assert file.read_text() == "an earlier one"


def test_a_folder_that_is_not_there_is_told_in_a_line(flask, world, folder):
    failed = flask(f"backup {folder / 'nowhere' / 'backup.tar.gz'}")
    assert failed.exit_code == 1
    assert failed.stderr == f"Error: {folder / 'nowhere'} is not a folder.\n"


def test_a_key_from_the_environment_stays_there(flask, world, install, folder):
    assert flask(f"backup {folder / 'given'}").exit_code == 0
    assert "secret_key" not in members(folder / "given")
    kept = install(SECRET_KEY="")
    kept.flask("db upgrade")
    assert kept.flask(f"backup {folder / 'kept'}").exit_code == 0
    assert "secret_key" in members(folder / "kept")


@pytest.mark.parametrize("loss", [lambda file: file.unlink(), lambda file: file.write_bytes(b"?")])
def test_a_proof_that_was_lost_is_told_and_does_not_stand_in_the_way(flask, world, folder, loss):
    reference = wires.prove(world, wires.ask(world)).reference
    loss(wires.proof_files(world)[0])
    made = flask(f"backup {folder} --json")

    assert made.exit_code == 0
    assert json.loads(made.stdout)["lost_proofs"] == [reference]
    assert f"{reference}: a proof of payment is missing or was changed." in made.stderr


def test_books_that_do_not_agree_leave_no_file(flask, world, session, folder):
    """L13: whoever restored it would have them too."""
    tamper(session, "UPDATE account SET balance = balance + 1")
    failed = flask(f"backup {folder / 'b.tar.gz'}")

    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "its ledger" in failed.stderr
    assert files_in(folder) == []


def test_tables_of_another_version_are_not_backed_up(old, folder):
    with closing(sqlite3.connect(old.home / "ballast.db")) as file, file:
        file.execute("UPDATE alembic_version SET version_num = '0001'")
    failed = old.flask(f"backup {folder}")
    assert failed.exit_code == 1
    assert "A migration is pending: the database is at 0001" in failed.stderr


@pytest.fixture
def traffic(database, home):
    """Another process that debits and charges without a pause; gives a line for each round."""
    environ = {**os.environ, "DATABASE_URL": database}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.traffic", home],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_debits_and_charges_go_on_meanwhile(flask, traffic, folder):
    """L3: each backup holds one moment, in which every credit has its charge and none lacks one."""
    entries = []
    for number in range(3):
        traffic.stdout.readline()  # it has begun, and goes on
        made = flask(f"backup {folder / str(number)} --json")
        assert made.exit_code == 0, made.output
        entries.append(json.loads(made.stdout)["ledger_entries"])
    assert all(traffic.stdout.readline() for _ in range(5)), "the other process has failed"
    traffic.stdin.close()

    assert traffic.wait(30) == 0
    after = json.loads(flask("ledger check --json").stdout)
    assert after["agrees"]
    assert [*entries, after["entries"]] == sorted([*entries, after["entries"]])
    assert entries[0] < after["entries"]
