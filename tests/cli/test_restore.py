"""`flask restore`: all that was backed up comes back, in an empty installation, or nothing."""

import json
import sqlite3
import stat
import tarfile
from contextlib import closing

import pytest
from flask_migrate import upgrade
from sqlalchemy import select

from tests import wires
from tests.cli.installations import Installation, rows
from tests.factories import START, World
from webapp.backup.archive import Manifest, packing
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.wires.wire import WireProof
from webapp.extensions import (
    db,
    services,
)


@pytest.fixture(scope="module")
def backup(lived, tmp_path_factory):
    """Of the installation that `old` is a copy of."""
    file = tmp_path_factory.mktemp("backups") / "backup.tar.gz"
    installation = Installation(lived, SECRET_KEY="")
    made = installation.flask(f"backup {file}")
    installation.close()
    assert made.exit_code == 0, made.output
    return file


@pytest.fixture
def here(install):
    """An empty installation that was never migrated."""
    return install(SECRET_KEY="")


def refused(result):
    """The one line that says why."""
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def is_empty(installation):
    return installation.flask("db upgrade").exit_code == 0 and not any(
        installation.ask(rows).values()
    )


@pytest.fixture
def altered(backup, tmp_path):
    """A backup that somebody has changed, and whose sums they have made fit again."""

    def alter(change):
        folder = tmp_path / "altered"
        with tarfile.open(backup) as tar:
            tar.extractall(folder)  # `filter` came with Python 3.11.4
        told = json.loads((folder / "ballast" / "manifest.json").read_text())
        change(folder / "ballast")
        with packing(tmp_path / "altered.tar.gz", 0) as packer:
            for name in told["files"]:
                packer.add_file(name, folder / "ballast" / name)
            packer.close(Manifest(told["made_at"], told["holdings"], packer.files))
        return tmp_path / "altered.tar.gz"

    return alter


def sql(file, *statements):
    with closing(sqlite3.connect(file)) as db, db:
        for statement in statements:
            db.execute(statement)


# All of it


def test_every_row_comes_back(old, backup, here):
    restored = here.flask(f"restore {backup} --json")

    assert restored.exit_code == 0, restored.output
    assert json.loads(restored.stdout)["restored"] is True
    assert here.ask(rows) == old.ask(rows)
    assert here.flask("ledger check").exit_code == 0


def test_the_pretend_processor_knows_what_it_knew(old, backup, here):
    here.flask(f"restore {backup}")
    books, before = here.ask(services).sandbox, old.ask(services).sandbox
    assert books.charges(100) == before.charges(100)
    assert books.clock_offset() == before.clock_offset()


def test_proofs_can_be_read_by_nobody_else(old, backup, here):
    here.flask(f"restore {backup}")
    files = [file for file in (here.home / "proofs").rglob("*") if file.is_file()]
    assert sorted(file.read_bytes() for file in files) == sorted([wires.PDF, wires.PNG])
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    proof = here.ask(lambda: db.session().scalars(select(WireProof)).first())
    assert services(here.app).proofs.read(1, proof.file) == wires.PNG


def test_people_stay_signed_in(old, backup, here):
    """The key comes along, unless this installation is given another."""
    here.flask(f"restore {backup}")
    key = here.home / "secret_key"
    assert key.read_text() == (old.home / "secret_key").read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_key_from_the_environment_stays(backup, install):
    given = install(SECRET_KEY="given")
    assert given.flask(f"restore {backup}").exit_code == 0
    assert not (given.home / "secret_key").exists()


def test_life_goes_on(backup, here):
    """F4, L3: what was open is carried on, and money moves."""
    here.flask(f"restore {backup}")

    def go_on():
        world = World(here.app, db.session())
        world.account_id = 1
        world.clock.advance(minutes=1)
        world.run("reconcile", "send emails")
        assert world.attempts[-1].state == "paid"  # the one whose answer was lost
        world.pay(world.methods[1], "30.00")
        return world.balance

    assert here.ask(go_on) == "1259.626544"


def test_it_says_what_is_missing(backup, here):
    """An operator must have the meter send again what it has sent since."""
    said = here.flask(f"restore {backup}").stdout
    assert "ledger entries" in said
    assert "the ledger check passed" in said
    assert f"The backup contains nothing after {START.isoformat()}." in said


def test_it_can_be_checked_without_restoring(backup, here):
    checked = here.flask(f"restore {backup} --check --json")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["restored"] is False
    assert is_empty(here)
    assert {path.name for path in here.home.iterdir()} <= {
        "ballast.db", "ballast.db-shm", "ballast.db-wal", "sandbox.db", "sandbox.db-shm",
        "sandbox.db-wal", "secret_key", "installation",
    }  # fmt: skip


# Or nothing


def test_data_that_is_present_stays(flask, past, backup):
    before = rows()
    line = refused(flask(f"restore {backup}"))
    assert "is not empty: there are rows in account" in line
    assert rows() == before


@pytest.mark.parametrize("part", [0.01, 0.3, 0.9])
def test_a_file_that_ends_too_soon(backup, here, tmp_path, part):
    content = backup.read_bytes()
    (tmp_path / "short").write_bytes(content[: int(len(content) * part)])
    assert "short is damaged" in refused(here.flask(f"restore {tmp_path / 'short'}"))
    assert is_empty(here)


@pytest.mark.parametrize("part", [0, 0.05, 0.5, 0.999])
def test_a_byte_that_is_not_as_it_was_written(backup, here, tmp_path, part):
    content = bytearray(backup.read_bytes())
    content[int(len(content) * part)] ^= 0xFF
    (tmp_path / "rotten").write_bytes(content)
    assert "rotten is damaged" in refused(here.flask(f"restore {tmp_path / 'rotten'}"))
    assert is_empty(here)


GUARDS = ("account_balance_is_the_ledgers", "ledger_entry_is_never_changed")
UNGUARDED = {"ballast.db": [f"DROP TRIGGER {guard}" for guard in GUARDS], "sandbox.db": []}


@pytest.mark.parametrize(
    ("file", "statement", "told"),
    [
        ("ballast.db", "UPDATE account SET balance = balance + 1", "its ledger sums to"),
        ("ballast.db", "UPDATE ledger_entry SET amount = amount - 1", "its ledger sums to"),
        ("ballast.db", "DELETE FROM user", "refers to a missing row of user"),
        ("sandbox.db", "DELETE FROM charge WHERE status = 'paid'", "the sandbox has no such"),
    ],
)
def test_a_row_that_was_tampered_with(altered, here, file, statement, told):
    """L13: sums that were made to fit do not help."""
    archive = altered(lambda folder: sql(folder / file, *UNGUARDED[file], statement))
    line = refused(here.flask(f"restore {archive}"))
    assert line.startswith("Error: altered.tar.gz cannot be verified. ")
    assert told in line
    assert is_empty(here)


def test_a_database_that_is_none(altered, here):
    archive = altered(lambda folder: (folder / "ballast.db").write_bytes(b"nothing" * 1000))
    assert "ballast.db: file is not a database" in refused(here.flask(f"restore {archive}"))


def test_a_file_that_belongs_elsewhere(here, tmp_path):
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("ballast/../../escaped"))
    line = refused(here.flask(f"restore {tmp_path / 'evil.tar.gz'}"))
    assert "not a backup of Ballast: it contains 'ballast/../../escaped'" in line
    assert not list(tmp_path.rglob("escaped"))


def test_a_file_that_is_something_else(here, tmp_path):
    (tmp_path / "letter").write_text("Dear operator")
    assert "not a backup of Ballast" in refused(here.flask(f"restore {tmp_path / 'letter'}"))
    assert here.flask(f"restore {tmp_path / 'nowhere'}").exit_code == 2


# Other versions, other processors


def test_an_older_backup_is_migrated(install, here, tmp_path):
    old = install()
    old.ask(lambda: upgrade(revision="0001"))
    old.close()
    with packing(tmp_path / "old.tar.gz", 0) as packer:
        packer.add_file("ballast.db", old.home / "ballast.db")
        packer.close(Manifest("2026-01-01T00:00:00+00:00", {}, packer.files))
    assert here.flask(f"restore {tmp_path / 'old.tar.gz'}").exit_code == 0


def test_a_newer_one_is_for_a_newer_ballast(altered, here):
    archive = altered(
        lambda folder: sql(folder / "ballast.db", "UPDATE alembic_version SET version_num = 'x'")
    )
    assert "update Ballast first" in refused(here.flask(f"restore {archive}"))


@pytest.fixture
def real(altered):
    """A backup whose cards are charged by a processor that keeps its own books."""
    return altered(
        lambda folder: sql(
            folder / "ballast.db",
            "UPDATE payment_method SET processor = 'stripe' WHERE processor = 'sandbox'",
        )
    )


def with_stripe(installation):
    """As if it were configured."""
    processors = installation.ask(services).processors
    installation.wire(processors={**processors, "stripe": processors["sandbox"]})
    return installation


def test_nothing_is_charged_again_by_itself(real, install):
    """T10: balances that were refilled since the backup are low again in it."""
    line = refused(with_stripe(install()).flask(f"restore {real}"))
    assert "stripe may have made charges that this backup does not contain" in line
    assert "AUTOMATIC_PAYMENTS=off" in line

    still = with_stripe(install(AUTOMATIC_PAYMENTS="off"))
    assert still.flask(f"restore {real}").exit_code == 0
    assert still.ask(lambda: db.session().get_one(PaymentMethod, 1).processor) == "stripe"


def test_who_charges_the_cards_must_be_there(real, here):
    line = refused(here.flask(f"restore {real}"))
    assert "payment methods of stripe, which this installation does not use" in line
    assert is_empty(here)
