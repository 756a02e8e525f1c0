"""`flask backup`: one verified file, written while the server keeps running."""

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
from webapp.database.schema_version import versions
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


def test_a_backup_reports_its_contents(flask, past, folder):
    made = flask(f"backup {folder / 'b.tar.gz'} --json")

    assert made.exit_code == 0, made.output
    result = json.loads(made.stdout)
    assert result["file"] == str(folder / "b.tar.gz")
    assert result["size"] == (folder / "b.tar.gz").stat().st_size
    assert result["made_at"] == "2026-11-22T10:00:00Z"
    assert (result["accounts"], result["proofs"], result["lost_proofs"]) == (3, 2, [])
    assert result["ledger_entries"] == json.loads(flask("ledger check --json").stdout)["entries"]
    assert result["balances"] == ["1196.126544 USD"]
    assert result["newest_entry"] == "2026-11-22T10:00:00Z"
    assert "balances        1196.126544 USD" in flask(f"backup {folder / 'again'}").stdout


def test_a_backup_is_private_and_leaves_no_other_file(flask, past, folder):
    assert flask(f"backup {folder / 'b.tar.gz'}").exit_code == 0

    assert files_in(folder) == ["b.tar.gz"]
    assert stat.S_IMODE((folder / "b.tar.gz").stat().st_mode) == 0o600
    proofs = {f"proofs/{file.parent.name}/{file.name}" for file in wires.proof_files(past)}
    assert members(folder / "b.tar.gz") == {"ballast.db", "sandbox.db", "manifest.json", *proofs}


def test_a_backup_into_a_folder_is_named_by_the_time(flask, world, folder):
    for _ in range(2):
        assert flask(f"backup {folder}").exit_code == 0
        world.clock.advance(days=1)
    assert files_in(folder) == ["ballast-20261122-100000.tar.gz", "ballast-20261123-100000.tar.gz"]


def test_an_existing_backup_is_not_overwritten(flask, world, folder):
    file = folder / "backup.tar.gz"
    file.write_text("an earlier one")
    failed = flask(f"backup {file}")
    assert (failed.exit_code, failed.stderr.count("\n")) == (1, 1)
    assert "already exists" in failed.stderr
    assert file.read_text() == "an earlier one"


def test_a_missing_folder_is_reported_in_one_line(flask, world, folder):
    failed = flask(f"backup {folder / 'nowhere' / 'backup.tar.gz'}")
    assert failed.exit_code == 1
    assert failed.stderr == f"Error: {folder / 'nowhere'} is not a folder.\n"


def test_a_key_from_the_environment_is_not_backed_up(flask, world, install, folder):
    assert flask(f"backup {folder / 'given'}").exit_code == 0
    assert "secret_key" not in members(folder / "given")
    kept = install(SECRET_KEY="")
    kept.flask("db upgrade")
    assert kept.flask(f"backup {folder / 'kept'}").exit_code == 0
    assert "secret_key" in members(folder / "kept")


@pytest.mark.parametrize("loss", [lambda file: file.unlink(), lambda file: file.write_bytes(b"?")])
def test_a_lost_proof_is_reported_and_does_not_prevent_a_backup(flask, world, folder, loss):
    reference = wires.prove(world, wires.ask(world)).reference
    loss(wires.proof_files(world)[0])
    made = flask(f"backup {folder} --json")

    assert made.exit_code == 0
    assert json.loads(made.stdout)["lost_proofs"] == [reference]
    assert f"{reference}: a proof of payment is missing or was changed." in made.stderr


def test_inconsistent_books_leave_no_backup(flask, world, session, folder):
    """L13: a restore would reproduce the inconsistency."""
    tamper(session, "UPDATE account SET balance = balance + 1")
    failed = flask(f"backup {folder / 'b.tar.gz'}")

    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "its ledger" in failed.stderr
    assert files_in(folder) == []


def test_a_database_of_another_version_is_not_backed_up(old, folder):
    with closing(sqlite3.connect(old.home / "ballast.db")) as file, file:
        file.execute("UPDATE alembic_version SET version_num = ?", versions()[-1:])
    failed = old.flask(f"backup {folder}")
    assert failed.exit_code == 1
    assert f"A migration is pending: the database is at {versions()[-1]}" in failed.stderr


@pytest.fixture
def traffic(database, home):
    """A process that debits and charges without a pause and prints a line for each round."""
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


def test_a_backup_during_traffic_is_consistent(flask, traffic, folder):
    """L3: each backup shows one moment, in which credits and charges match."""
    entries = []
    for number in range(3):
        traffic.stdout.readline()  # the process is running
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
