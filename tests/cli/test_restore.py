"""`flask restore`: restores everything into an empty installation, or nothing."""

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
from tests.factories import World
from webapp.backup.archive import Manifest, packing
from webapp.database.schema_version import versions
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.wires.wire import WireProof
from webapp.extensions import db, services


@pytest.fixture(scope="module")
def backup(lived, tmp_path_factory):
    """A backup of the installation that `old` is a copy of."""
    file = tmp_path_factory.mktemp("backups") / "backup.tar.gz"
    installation = Installation(lived, SECRET_KEY="")
    made = installation.flask(f"backup {file}")
    installation.close()
    assert made.exit_code == 0, made.output
    return file


@pytest.fixture
def empty(install):
    """An empty installation without tables."""
    return install(SECRET_KEY="")


def refused(result):
    """Return the single line that explains a refused command."""
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
    """Return a function that changes a backup and updates its checksums."""

    def alter(change):
        folder = tmp_path / "altered"
        with tarfile.open(backup) as tar:
            tar.extractall(folder)  # `filter` needs Python 3.11.4
        manifest = json.loads((folder / "ballast" / "manifest.json").read_text())
        change(folder / "ballast")
        with packing(tmp_path / "altered.tar.gz", 0) as packer:
            for name in manifest["files"]:
                packer.add_file(name, folder / "ballast" / name)
            packer.close(Manifest(manifest["made_at"], manifest["holdings"], packer.files))
        return tmp_path / "altered.tar.gz"

    return alter


def sql(file, *statements):
    with closing(sqlite3.connect(file)) as db, db:
        for statement in statements:
            db.execute(statement)


# Everything


def test_every_row_is_restored(old, backup, empty):
    restored = empty.flask(f"restore {backup} --json")

    assert restored.exit_code == 0, restored.output
    assert json.loads(restored.stdout)["restored"] is True
    assert empty.ask(rows) == old.ask(rows)
    assert empty.flask("ledger check").exit_code == 0


def test_the_sandboxs_books_are_restored(old, backup, empty):
    empty.flask(f"restore {backup}")
    books, before = empty.ask(services).sandbox, old.ask(services).sandbox
    assert books.charges(100) == before.charges(100)
    assert books.clock_offset() == before.clock_offset()


def test_restored_proofs_are_private(old, backup, empty):
    empty.flask(f"restore {backup}")
    files = [file for file in (empty.home / "proofs").rglob("*") if file.is_file()]
    assert sorted(file.read_bytes() for file in files) == sorted([wires.PDF, wires.PNG])
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    proof = empty.ask(lambda: db.session().scalars(select(WireProof)).first())
    assert services(empty.app).proofs.read(1, proof.file) == wires.PNG


def test_sessions_stay_valid(old, backup, empty):
    """The key is restored, unless this installation has another one."""
    empty.flask(f"restore {backup}")
    key = empty.home / "secret_key"
    assert key.read_text() == (old.home / "secret_key").read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_key_from_the_environment_is_kept(backup, install):
    given = install(SECRET_KEY="given")
    assert given.flask(f"restore {backup}").exit_code == 0
    assert not (given.home / "secret_key").exists()


def test_the_restored_installation_keeps_working(backup, empty):
    """F4, L3: open work is continued, and payments work."""
    empty.flask(f"restore {backup}")

    def continue_working():
        world = World(empty.app, db.session())
        world.account_id = 1
        world.clock.advance(minutes=1)
        world.run("reconcile", "send emails")
        assert world.attempts[-1].state == "paid"  # the payment whose response was lost
        world.pay(world.methods[1], "30.00")
        return world.balance

    assert empty.ask(continue_working) == "1259.626544"


def test_a_restore_says_what_is_missing(backup, empty):
    """The operator must have the meter resend its later usage."""
    output = empty.flask(f"restore {backup}").stdout
    assert "ledger entries" in output
    assert "the ledger check passed" in output
    assert "The backup contains nothing after 2026-11-22T10:00:00Z." in output


def test_a_backup_can_be_checked_without_restoring(backup, empty):
    checked = empty.flask(f"restore {backup} --check --json")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["restored"] is False
    assert is_empty(empty)
    assert {path.name for path in empty.home.iterdir()} <= {
        "ballast.db", "ballast.db-shm", "ballast.db-wal", "sandbox.db", "sandbox.db-shm",
        "sandbox.db-wal", "secret_key", "installation",
    }  # fmt: skip


# Nothing


def test_existing_data_is_not_overwritten(flask, past, backup):
    before = rows()
    line = refused(flask(f"restore {backup}"))
    assert "is not empty: there are rows in account" in line
    assert rows() == before


@pytest.mark.parametrize("part", [0.01, 0.3, 0.9])
def test_a_truncated_backup_is_refused(backup, empty, tmp_path, part):
    content = backup.read_bytes()
    (tmp_path / "short").write_bytes(content[: int(len(content) * part)])
    assert "short is damaged" in refused(empty.flask(f"restore {tmp_path / 'short'}"))
    assert is_empty(empty)


@pytest.mark.parametrize("part", [0, 0.05, 0.5, 0.999])
def test_a_changed_byte_is_refused(backup, empty, tmp_path, part):
    content = bytearray(backup.read_bytes())
    content[int(len(content) * part)] ^= 0xFF
    (tmp_path / "flipped").write_bytes(content)
    assert "flipped is damaged" in refused(empty.flask(f"restore {tmp_path / 'flipped'}"))
    assert is_empty(empty)


GUARDS = ("account_balance_is_the_ledgers", "ledger_entry_is_never_changed")
UNGUARDED = {"ballast.db": [f"DROP TRIGGER {guard}" for guard in GUARDS], "sandbox.db": []}


@pytest.mark.parametrize(
    ("file", "statement", "message"),
    [
        ("ballast.db", "UPDATE account SET balance = balance + 1", "its ledger sums to"),
        ("ballast.db", "UPDATE ledger_entry SET amount = amount - 1", "its ledger sums to"),
        ("ballast.db", "DELETE FROM user", "refers to a missing row of user"),
        ("sandbox.db", "DELETE FROM charge WHERE status = 'paid'", "the sandbox has no such"),
    ],
)
def test_a_tampered_row_is_refused(altered, empty, file, statement, message):
    """L13: matching checksums do not help."""
    archive = altered(lambda folder: sql(folder / file, *UNGUARDED[file], statement))
    line = refused(empty.flask(f"restore {archive}"))
    assert line.startswith("Error: altered.tar.gz cannot be verified. ")
    assert message in line
    assert is_empty(empty)


def test_a_file_that_is_no_database_is_refused(altered, empty):
    archive = altered(lambda folder: (folder / "ballast.db").write_bytes(b"nothing" * 1000))
    assert "ballast.db: file is not a database" in refused(empty.flask(f"restore {archive}"))


def test_a_path_outside_the_backup_is_refused(empty, tmp_path):
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("ballast/../../escaped"))
    line = refused(empty.flask(f"restore {tmp_path / 'evil.tar.gz'}"))
    assert "not a backup of Ballast: it contains 'ballast/../../escaped'" in line
    assert not list(tmp_path.rglob("escaped"))


def test_a_file_that_is_no_backup_is_refused(empty, tmp_path):
    (tmp_path / "letter").write_text("Dear operator")
    assert "not a backup of Ballast" in refused(empty.flask(f"restore {tmp_path / 'letter'}"))
    assert empty.flask(f"restore {tmp_path / 'nowhere'}").exit_code == 2


# Other versions, other processors


def test_an_older_backup_is_migrated(install, empty, tmp_path):
    old = install()
    old.ask(lambda: upgrade(revision=versions()[-1]))
    old.close()
    with packing(tmp_path / "old.tar.gz", 0) as packer:
        packer.add_file("ballast.db", old.home / "ballast.db")
        packer.close(Manifest("2026-01-01T00:00:00+00:00", {}, packer.files))
    assert empty.flask(f"restore {tmp_path / 'old.tar.gz'}").exit_code == 0


def test_a_newer_backup_is_refused(altered, empty):
    archive = altered(
        lambda folder: sql(folder / "ballast.db", "UPDATE alembic_version SET version_num = 'x'")
    )
    assert "update Ballast first" in refused(empty.flask(f"restore {archive}"))


@pytest.fixture
def with_real_cards(altered):
    """A backup whose cards are charged by a processor other than the sandbox."""
    return altered(
        lambda folder: sql(
            folder / "ballast.db",
            "UPDATE payment_method SET processor = 'stripe' WHERE processor = 'sandbox'",
        )
    )


def with_stripe(installation):
    """Configure a processor named "stripe"."""
    processors = installation.ask(services).processors
    installation.wire(processors={**processors, "stripe": processors["sandbox"]})
    return installation


def test_a_restore_requires_automatic_payments_off(with_real_cards, install):
    """T10: balances refilled since the backup are low again in it."""
    line = refused(with_stripe(install()).flask(f"restore {with_real_cards}"))
    assert "stripe may have made charges that this backup does not contain" in line
    assert "AUTOMATIC_PAYMENTS=off" in line

    still = with_stripe(install(AUTOMATIC_PAYMENTS="off"))
    assert still.flask(f"restore {with_real_cards}").exit_code == 0
    assert still.ask(lambda: db.session().get_one(PaymentMethod, 1).processor) == "stripe"


def test_a_missing_processor_prevents_the_restore(with_real_cards, empty):
    line = refused(empty.flask(f"restore {with_real_cards}"))
    assert "payment methods of stripe, which this installation does not use" in line
    assert is_empty(empty)
