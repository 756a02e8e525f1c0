"""Migrations run up and down, and produce the models' schema."""

import os
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import downgrade, upgrade
from sqlalchemy import CheckConstraint, inspect, text

from tests.conftest import POSTGRES, settings_in
from tests.factories import VISA, World
from webapp.app import create_app
from webapp.database.base import Base
from webapp.domain.users.user import User
from webapp.domain.webhooks.endpoint import Endpoint
from webapp.extensions import db
from webapp.settings import ROOT

GUARDS = {
    "ledger_entry_continues_the_chain",
    "ledger_entry_is_never_changed",
    "ledger_entry_is_never_removed",
    "account_balance_is_the_ledgers",
    "account_opens_at_zero",
    "audit_entry_is_never_changed",
    "audit_entry_is_never_removed",
}


@pytest.fixture
def bare(empty_database, tmp_path):
    """An application with an empty database."""
    app = create_app(settings_in(tmp_path / "bare", DATABASE_URL=empty_database))
    app.config["WTF_CSRF_ENABLED"] = False
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def tables():
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def triggers():
    names = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }
    with db.engine.connect() as connection:
        return set(connection.scalars(text(names[db.engine.dialect.name])))


def test_all_migrations_run_up_and_down(bare):
    """L2: the ledger's triggers are created and dropped with their tables."""
    upgrade()
    assert tables() == set(Base.metadata.tables)
    assert triggers() >= GUARDS
    downgrade(revision="base")
    assert tables() == set()
    assert triggers() == set()
    upgrade()
    assert tables() == set(Base.metadata.tables)
    assert triggers() >= GUARDS


def test_each_migration_runs_up_and_down(bare):
    steps = len(list((ROOT / "migrations" / "versions").glob("*.py")))
    assert steps
    for _ in range(steps):
        upgrade(revision="+1")
        downgrade(revision="-1")
        upgrade(revision="+1")
    assert tables() == set(Base.metadata.tables)


@pytest.mark.parametrize("empty_database", [POSTGRES], indirect=True)
def test_concurrent_upgrades_migrate_once(bare, empty_database, tmp_path):
    """Of two hosts that start together, the second waits and finds the work done."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
    environ = {
        **os.environ,
        "BALLAST_HOME": str(tmp_path / "hosts"),
        "DATABASE_URL": empty_database,
        "RUN_JOBS": "0",
    }
    hosts = [subprocess.Popen(command, cwd=ROOT, env=environ) for _ in range(2)]
    assert [host.wait(60) for host in hosts] == [0, 0]
    assert tables() == set(Base.metadata.tables)


def test_migrations_produce_the_models_schema(bare):
    """`alembic check` would find no difference in tables, columns, types, indexes and keys."""
    upgrade()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_produce_the_models_check_constraints(bare):
    """Alembic does not compare check constraints, so the test reads them from the database."""
    upgrade()
    found = inspect(db.engine)
    for table in Base.metadata.tables.values():
        expected = {str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)}
        actual = {c["name"] for c in found.get_check_constraints(table.name)}
        assert actual == expected, table.name


def test_a_migrated_database_can_be_used(bare):
    """L2, L3: an account, a card and a payment."""
    upgrade()
    world = World(bare, db.session())
    world.clock = world.services.clock
    payment = world.pay(world.card(VISA), "30.00")
    assert payment.state == "paid"
    assert world.balance == "130.00"
    assert bare.test_client().get("/readyz").status_code == 200


def test_secrets_are_encrypted_by_an_upgrade_and_decrypted_by_a_downgrade(bare):
    """`db upgrade` has the key."""
    made = {
        "totp_secret": "JBSWY3DPEHPK3PXP" * 2,
        "secret": "whsec_" + "x" * 44,
        "old_secret": None,
    }
    upgrade()
    World(bare, db.session()).webhook()
    owner = db.session().query(User).one()
    owner.totp_secret = made["totp_secret"]
    db.session().query(Endpoint).one().secret = made["secret"]
    db.session.commit()

    def stored():
        db.session.remove()
        both = 'SELECT totp_secret, secret, old_secret FROM "user", webhook_endpoint'
        with db.engine.connect() as connection:
            return dict(connection.execute(text(both)).mappings().one())

    sealed = stored()
    assert sealed["secret"].startswith("sealed:1:")
    downgrade(revision="0034")
    assert stored() == made
    upgrade()
    assert stored().keys() == made.keys()
    assert stored()["totp_secret"].startswith("sealed:1:")
    assert db.session().query(User).one().totp_secret == made["totp_secret"]
    assert db.session().query(Endpoint).one().secret == made["secret"]
