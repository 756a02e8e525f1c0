"""A pending migration: nothing uses tables of another version, and all resume afterwards."""

import logging
import time
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from flask_migrate import downgrade, upgrade

from tests.factories import VISA
from tests.failure_modes.conftest import wait_until
from webapp.background.worker import Worker
from webapp.database import schema_version
from webapp.extensions import db, services
from webapp.settings import ROOT

MAIN = "/billing/payment-methods"


def migrate(app, step, revision):
    """Migrate like `flask db`; processes check the schema every few seconds, here at once."""
    db.session.remove()
    step(revision=revision)
    object.__setattr__(services(app), "schema", schema_version.Gate())


@pytest.fixture
def older(app, world):
    """A database of the previous version."""
    migrate(app, downgrade, "-1")
    yield world
    migrate(app, upgrade, "head")


def test_pages_say_that_an_update_is_being_installed(app, client, older):
    for answer in (client.get(MAIN), client.post("/sign-in", data={"email": "a"})):
        assert answer.status_code == 503
        assert "An update is being installed" in answer.text
        assert "Retry-After" in answer.headers
    assert "Nothing was done" in answer.text
    assert client.get("/healthz").status_code == 200
    migrate(app, upgrade, "head")
    assert client.get(MAIN).status_code == 200


def test_api_clients_get_the_code_updating(app, older):
    """L12."""
    visitor, key = app.test_client(), older.created.api_key
    usage = {"amount": "10.00", "reference": "call-1"}
    bearer = {"Authorization": f"Bearer {key}"}
    answer = visitor.post("/api/v1/usage", json=usage, headers=bearer)
    assert (answer.status_code, answer.json["code"]) == (503, "updating")
    answer = visitor.get("/v3/balance", headers={"Api-Key": key})
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (503, "updating")


def test_readiness_names_both_versions_and_the_command(client, older):
    newest, before = schema_version.versions()[:2]
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.text == (
        f"A migration is pending: the database is at {before}, this code at {newest}; "
        "run flask --app wsgi db upgrade\n"
    )
    assert "ballast_ready 0.0" in client.get("/metrics").text


def test_readiness_names_the_command_for_an_empty_database(app, client, world):
    migrate(app, downgrade, "base")
    assert client.get("/readyz").text == "The database is empty: run flask --app wsgi db upgrade\n"
    assert client.get(MAIN).status_code == 503


def test_older_code_stops_on_a_newer_database(app, client, world):
    """The database was upgraded without restarting this process."""
    world.session.execute(db.text("UPDATE alembic_version SET version_num = '9999'"))
    world.session.commit()
    assert "9999, which this code" in client.get("/readyz").text
    assert "start the newer version" in client.get("/readyz").text


def test_no_job_runs_on_older_tables(flask, older):
    failed = flask("jobs run")
    assert failed.exit_code == 1
    assert failed.stderr.count("\n") == 1
    assert "A migration is pending" in failed.stderr


def test_the_worker_waits_and_resumes_without_a_restart(app, world, caplog):
    """T4: it logs the beginning and the end once each."""
    caplog.set_level(logging.INFO, "webapp.supervisor")
    world.cards(VISA)
    world.refill()
    world.use("60.00")
    migrate(app, downgrade, "-1")
    worker = Worker()
    worker.start(app)
    try:
        wait_until(lambda: "A migration is pending" in caplog.text)
        time.sleep(1.2)  # the worker checks every half second
        # Raw SQL, because older tables may lack a column of the model.
        assert world.session.scalar(db.text("SELECT count(method_id) FROM attempt")) == 0
        world.session.rollback()
        migrate(app, upgrade, "head")
        wait_until(lambda: world.balance == "140.00")
    finally:
        worker.stop()
    messages = [
        record.getMessage() for record in caplog.records if record.name == "webapp.supervisor"
    ]
    assert len(messages) == 2
    assert messages[1].startswith("Over: A migration is pending")


def test_the_known_versions_are_those_of_the_migrations():
    scripts = ScriptDirectory(str(Path(ROOT) / "migrations"))
    assert schema_version.versions()[0] == scripts.get_current_head()
    assert len(schema_version.versions()) == len(
        list((ROOT / "migrations" / "versions").glob("*.py"))
    )
