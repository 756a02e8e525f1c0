"""Secrets are encrypted at rest with a key derived from SECRET_KEY."""

import json
import shutil
import stat
import tarfile

import pytest
from pyotp import TOTP
from sqlalchemy import select, text

from tests.cli.installations import Installation
from tests.factories import PASSWORD
from webapp.database.base import Base
from webapp.database.vault import LENGTH, PLACES, PREFIX, Sealed, Vault, WrongKey
from webapp.domain.events.rows import EventRow
from webapp.domain.users import second_factor
from webapp.domain.users.user import User
from webapp.domain.webhooks.endpoint import Endpoint
from webapp.env import BadSetting
from webapp.extensions import db, services
from webapp.settings import Settings

LINE = "SECRET_KEY does not open the secrets in this database: set it to the key"
NEW_KEY = "another key of tests, long enough for a server"


def stored(session):
    """Return each secret as stored in the database."""
    session.rollback()
    found = [
        value
        for table, name in PLACES
        for value in session.scalars(text(f'SELECT {name} FROM "{table}" WHERE {name} IS NOT NULL'))
    ]
    session.rollback()
    return found


def secrets():
    """Return each secret as read by the product."""
    session = db.session()
    users = [user.totp_secret for user in session.query(User) if user.totp_secret]
    return users + [
        secret
        for end in session.query(Endpoint)
        for secret in (end.secret, end.old_secret, end.older_secret)
        if secret
    ]


def test_every_encrypted_column_is_listed():
    found = {
        (table.name, column.name): column.type.place
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Sealed)
    }
    assert found == {(table, name): f"{table}.{name}" for table, name in PLACES}


def test_a_secret_can_be_opened_only_by_its_key_and_place():
    vault = Vault("a key")
    sealed = vault.seal("x" * 100, "user.totp_secret")
    assert len(sealed) <= LENGTH
    assert vault.open(sealed, "user.totp_secret") == "x" * 100
    assert vault.seal("x" * 100, "user.totp_secret") != sealed
    changed = sealed[:60] + ("A" if sealed[60] != "A" else "B") + sealed[61:]
    for other, value, place in (
        (Vault("another"), sealed, "user.totp_secret"),
        (vault, sealed, "webhook_endpoint.secret"),
        (vault, changed, "user.totp_secret"),
        (vault, PREFIX, "user.totp_secret"),
        (vault, "JBSWY3DPEHPK3PXP" * 2, "user.totp_secret"),
        (vault, "whsec_" + "x" * 44, "webhook_endpoint.secret"),
    ):
        with pytest.raises(WrongKey):
            other.open(value, place)


def test_the_database_holds_no_secret_in_plain_text(past, session):
    """This includes the old secret of a webhook after a rotation."""
    past.session.query(Endpoint).one().rotate(past.clock.now())
    past.session.commit()
    found = stored(session)
    assert len(found) == 3
    assert all(value.startswith(PREFIX) for value in found)
    plain = secrets()
    assert len(plain) == 3
    assert [secret[:6] for secret in plain[1:]] == ["whsec_", "whsec_"]
    code = TOTP(plain[0]).at(past.clock.now())
    assert second_factor.step_of(plain[0], code, past.clock.now())
    assert not any(secret in value for secret in plain for value in found)


def test_a_backup_holds_no_secret_in_plain_text(past, flask, tmp_path):
    """This includes backups of PostgreSQL."""
    plain = secrets()
    backup = tmp_path / "b.tar.gz"
    assert flask(f"backup {backup}").exit_code == 0
    with tarfile.open(backup) as tar:
        tar.extract("ballast/ballast.db", tmp_path, filter="data")
    content = (tmp_path / "ballast" / "ballast.db").read_bytes()
    assert PREFIX.encode() in content
    assert not any(secret.encode() in content for secret in plain)


# Another key


def test_a_wrong_key_is_reported_in_one_line(old):
    """By commands, probes and pages, without a traceback."""
    endpoint = old.ask(lambda: db.session().query(Endpoint).one().id)
    old.close()
    other = Installation(old.home, SECRET_KEY=NEW_KEY)
    refused = other.flask(f"webhooks rotate 1 {endpoint}")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"Error: {LINE}")
    assert refused.stderr.count("\n") == 1
    probe = other.app.test_client().get("/readyz")
    assert probe.status_code == 503
    assert probe.text.startswith(LINE)
    other.app.config["WTF_CSRF_ENABLED"] = False
    first = select(User.email).order_by(User.id)
    form = {"email": other.ask(lambda: db.session().scalar(first)), "password": PASSWORD}
    assert other.app.test_client().post("/sign-in", data=form).status_code == 503
    other.close()


# keys rotate-secret


def test_a_stored_key_is_rotated(old):
    before, plain = old.ask(lambda: services().settings.secret_key), old.ask(secrets)
    done = old.flask("keys rotate-secret")
    assert done.exit_code == 0, done.output
    assert "All users are signed out" in done.stdout
    key_file = old.home / "secret_key"
    assert key_file.read_text() != before
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert not (old.home / "secret_key.next").exists()
    old.close()
    with_new = Installation(old.home, SECRET_KEY="")
    assert with_new.ask(secrets) == plain
    assert with_new.app.test_client().get("/readyz").status_code == 200
    with_new.close()
    with pytest.raises(BadSetting, match="SECRET_KEY: not the key used before"):
        Installation(old.home, SECRET_KEY=before)
    (old.home / "installation").unlink()
    with_old = Installation(old.home, SECRET_KEY=before)
    assert with_old.flask("keys rotate-secret").exit_code == 1
    with pytest.raises(WrongKey):
        with_old.ask(secrets)
    with_old.close()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_interrupted_rotation_is_finished_by_running_it_again(old, monkeypatch, moment):
    """Before the commit nothing has changed; after it the next key is on disk."""

    class Killed(BaseException):
        pass

    def be_killed(*_, **__):
        raise Killed

    plain = old.ask(secrets)
    with monkeypatch.context() as patch:
        if moment == "before":
            patch.setattr("webapp.actions.rotate_secret.events.record", be_killed)
        else:
            patch.setattr(Settings, "take_key", be_killed)
        with pytest.raises(Killed):
            run(old)
    old.close()
    again = Installation(old.home, SECRET_KEY="")
    if moment == "after":
        assert again.app.test_client().get("/readyz").text.startswith(LINE)
    assert again.flask("keys rotate-secret").exit_code == 0
    again.close()
    after = Installation(old.home, SECRET_KEY="")
    assert after.ask(secrets) == plain
    after.close()


def run(installation):
    with installation.app.app_context():
        installation.app.test_cli_runner().invoke(
            args=["keys", "rotate-secret"], catch_exceptions=False
        )


def test_a_key_from_the_environment_is_rotated_to_one_in_a_file(past, flask, home, tmp_path):
    """On both databases, in one transaction, with an audit entry."""
    plain = secrets()
    refused = flask("keys rotate-secret")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "--new-key-file" in refused.stderr
    file = tmp_path / "new"
    file.write_text("short\n")
    assert "at least 32 characters" in flask(f"keys rotate-secret --new-key-file {file}").stderr
    file.write_text(f"{NEW_KEY}\n")
    done = flask(f"keys rotate-secret --new-key-file {file} --json")
    assert json.loads(done.stdout) == {"secrets": 2, "key_file": str(file)}
    assert not (home / "secret_key").exists()
    vault = Vault(NEW_KEY)
    opened = [
        vault.open(value, f"{table}.{name}")
        for table, name in PLACES
        for value in db.session().scalars(
            text(f'SELECT {name} FROM "{table}" WHERE {name} IS NOT NULL')
        )
    ]
    assert opened == plain
    db.session().rollback()
    (entry,) = past.session.query(EventRow).filter_by(audit="secret_key_rotated")
    assert entry.facts == {"secrets": 2}


# Restoring under another key


def test_a_restore_encrypts_secrets_with_the_new_key(old, install, tmp_path):
    plain, backup = old.ask(secrets), tmp_path / "b.tar.gz"
    assert old.flask(f"backup {backup}").exit_code == 0
    here = install(SECRET_KEY=NEW_KEY)
    assert here.flask(f"restore --check {backup}").exit_code == 0
    restored = here.flask(f"restore {backup}")
    assert restored.exit_code == 0, restored.output
    assert here.ask(secrets) == plain


def test_a_restore_with_unreadable_secrets_writes_nothing(lived, install, tmp_path):
    """A key from the environment is not in the backup."""
    home = shutil.copytree(lived, tmp_path / "given")
    key = (home / "secret_key").read_text()
    (home / "secret_key").unlink()
    given, backup = Installation(home, SECRET_KEY=key), tmp_path / "b.tar.gz"
    plain = given.ask(secrets)
    assert given.flask(f"backup {backup}").exit_code == 0
    given.close()
    here = install(SECRET_KEY=NEW_KEY)
    refused = here.flask(f"restore {backup}")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert LINE in refused.stderr
    here.close()
    again = Installation(here.home, SECRET_KEY=key)  # restore needs an empty installation
    assert again.flask(f"restore {backup}").exit_code == 0
    assert again.ask(secrets) == plain
    again.close()
