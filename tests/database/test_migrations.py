"""Migrations run up and down, and produce the models' schema."""

import os
import re
from datetime import timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import downgrade, upgrade
from sqlalchemy import CheckConstraint, func, inspect, select, text

from tests.conftest import POSTGRES, settings_in
from tests.factories import VISA, World
from tests.processes import FLASK, Process
from webapp.app import create_app
from webapp.backup.migrate import migrate
from webapp.database.base import Base
from webapp.database.schema_version import OtherVersion
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys import idempotency_keys
from webapp.domain.api_keys.idempotency_keys import IdempotencyKey
from webapp.domain.events.rows import EventRow
from webapp.domain.payments import unmatched_events
from webapp.domain.shared.errors import Refusal
from webapp.domain.top_ups.settings import LowBalanceSettings, PausedBy
from webapp.domain.webhooks.endpoint import Delivery
from webapp.domain.webhooks.payloads import message_id, payload
from webapp.extensions import db
from webapp.settings import ROOT

BEFORE_EVENTS = "0036"

GUARDS = {
    "ledger_entry_continues_the_chain",
    "ledger_entry_is_never_changed",
    "ledger_entry_is_never_removed",
    "account_balance_is_the_ledgers",
    "account_opens_at_zero",
    "event_is_never_changed",
    "event_is_never_removed",
}

OLDER_ROWS = (
    """INSERT INTO webhook_event (id, account_id, kind, data, at)
    VALUES (700, 1, 'payment.failed', '{"label": "Visa •••• 4242"}', '2026-11-23 10:00:00')""",
    """INSERT INTO webhook_delivery (id, event_id, endpoint_id, state, tries, trouble, created_at)
    VALUES (90, 700, 1, 'owed', 0, '', '2026-11-23 10:00:00')""",
    """INSERT INTO audit_entry (id, user_id, actor_name, address, what, details, at)
    VALUES (800, 1, 'Ana', '192.0.2.1', 'code_refused', '{"n": 1}', '2026-11-23 10:00:00')""",
    """INSERT INTO decision (id, account_id, code, sentence, times, first_at, last_at) VALUES
    (900, 1, 'paused', 'It’s paused.', 3, '2026-11-23 10:00:00', '2026-11-23 11:00:00')""",
)
"""Rows of the tables from which `event` was made."""


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
    command = (*FLASK, "db", "upgrade")
    environ = {
        **os.environ,
        "BALLAST_HOME": str(tmp_path / "hosts"),
        "DATABASE_URL": empty_database,
        "RUN_JOBS": "0",
    }
    hosts = [Process(command, environ, tmp_path / "log") for _ in range(2)]
    assert [host.wait() for host in hosts] == [0, 0], (tmp_path / "log").read_text()
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


def test_the_renames_keep_all_data(bare):
    upgrade()
    world = World(bare, db.session())
    now = world.clock.now()
    card = world.card(VISA)
    world.refill()
    attempt = world.pay(card, "30.00").attempts[0]
    account = db.session().get_one(Account, world.account_id)
    card.blocked_at = card.restored_at = account.settings.check_again_at = now
    account.low_balance_announced = attempt.customer_notified = True
    for number in range(3):
        unmatched_events.record(world.ctx, "sandbox", f"ch_{number}", "Paid", 1, "USD", now)
        idempotency_keys.claim(world.ctx, world.account_id, f"key-{number}", "hash")
    world.session.commit()
    world.session.close()
    renamed = (
        "SELECT a.{alert_threshold}, a.{low_balance_announced}, s.{check_again_at}, "
        "m.{blocked_at}, m.{restored_at}, p.{customer_notified}, (SELECT count(*) FROM {events}), "
        "(SELECT sum(id) FROM {keys}) FROM account a JOIN low_balance_settings s "
        "ON s.account_id = a.id JOIN payment_method m ON m.account_id = a.id "
        "JOIN attempt p ON p.method_id = m.id"
    )
    new = {name: name for name in re.findall(r"\{(\w+)\}", renamed)}
    new |= {"events": "unmatched_event", "keys": "idempotency_key"}
    old = {
        "alert_threshold": "attention_below",
        "low_balance_announced": "told_low",
        "check_again_at": "look_again_at",
        "blocked_at": "barred_at",
        "restored_at": "healed_at",
        "customer_notified": "customer_told",
        "events": "evidence",
        "keys": "repeat",
    }

    def stored(names):
        with db.engine.connect() as connection:
            return connection.execute(text(renamed.format(**names))).one()

    before = stored(new)
    assert (*before[:2], *before[5:]) == (50_000_000, True, True, 3, 6)
    downgrade(revision="0035")
    assert stored(old) == before
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE low_balance_settings SET threshold = 60000000"))
    upgrade()
    assert stored(new) == (60_000_000, *before[1:])
    idempotency_keys.claim(world.ctx, world.account_id, "key-4", "hash")
    assert db.session().scalars(select(IdempotencyKey.id).order_by("id")).all() == [1, 2, 3, 4]
    db.session().close()


def test_a_database_from_before_the_first_migration_is_refused(bare):
    """The remedy is named where the upgrade, the server and a backup look."""
    upgrade()
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0012'"))
    remedy = (
        "The database is at 0012, and this code's migrations begin at 0035: first run "
        "flask --app wsgi db upgrade with the last version whose migrations begin at 0001 "
        '(docs/operations.md, "An old database")'
    )
    with pytest.raises(OtherVersion, match=re.escape(remedy)):
        upgrade()
    assert bare.test_client().get("/readyz").text.splitlines()[0] == remedy
    with pytest.raises(Refusal, match=re.escape(remedy)):
        migrate(db.engine)


def test_older_rows_become_events(bare):
    """E1, P2: nothing is lost, and a webhook event keeps the id by which receivers know it."""
    upgrade()
    world = World(bare, db.session())
    world.webhook()
    world.pay(world.card(VISA), "30.00")
    codes = world.timeline
    world.session.commit()
    downgrade(revision=BEFORE_EVENTS)
    with db.engine.connect().execution_options(writes=True) as connection, connection.begin():
        for statement in OLDER_ROWS:
            connection.exec_driver_sql(statement)
    upgrade()

    *_, newest = world.events(EventRow.webhook)
    delivery = world.session.get_one(Delivery, 90)
    assert delivery.event is newest
    assert (message_id(newest), payload(newest)["type"]) == ("evt_000000000700", "payment.failed")
    assert payload(newest)["data"] == {"label": "Visa •••• 4242"}
    entry = world.session.query(EventRow).filter_by(audit="code_refused").one()
    assert (entry.account_id, entry.user_id, entry.actor_name) == (None, 1, "Ana")
    assert (entry.address, entry.facts) == ("192.0.2.1", {"n": 1})
    *before, line = world.lines
    assert [line.code for line in before] == codes
    assert (line.code, line.sentence, line.times) == ("paused", "It’s paused.", 3)
    assert (line.first_at.hour, line.last_at.hour) == (10, 11)
    newest = world.session.scalar(select(func.max(EventRow.id)))
    world.webhook("https://example.com/next")
    assert world.events(EventRow.audit)[-1].id == newest + 1


@pytest.mark.parametrize("by", PausedBy)
def test_where_refills_stand_moves_with_its_columns(bare, by):
    """T10, L7: a pause stays, and who made it, on the account and in its settings."""
    upgrade()
    world = World(bare, db.session())
    settings, now = LowBalanceSettings.of(world.session, world.account_id), world.clock.now()
    settings.pause(by, now)
    settings.resumed_at = now - timedelta(hours=1)
    settings.low_by_reversal = settings.all_failed_mailed = True
    world.session.commit()

    def state():
        settings = LowBalanceSettings.of(db.session(), world.account_id)
        names = ("paused_at", "paused_by", "resumed_at", "low_by_reversal", "refill_held")
        return [getattr(settings, name) for name in (*names, "all_failed_mailed")]

    before = state()
    assert before[:2] == [now, by]
    world.session.close()
    downgrade(revision="0037")
    with db.engine.connect() as connection:
        flags = "SELECT paused_by_operator, paused_by_dispute FROM account"
        found = connection.execute(text(flags)).one()
    assert found == (by is PausedBy.OPERATOR, by is PausedBy.DISPUTE)
    upgrade()
    assert state() == before
    db.session().close()
