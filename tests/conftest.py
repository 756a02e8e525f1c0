"""A fresh, migrated database for every test, made by copying one that was migrated once."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import g
from flask_migrate import upgrade
from hypothesis import settings as hypothesis_settings

from tests.factories import MovableClock, World
from webapp.app import create_app
from webapp.domain import passwords
from webapp.extensions import db
from webapp.processors.sandbox.paypal import SandboxPayPal
from webapp.processors.sandbox.processor import SandboxProcessor
from webapp.settings import Settings

# Speed is measured in `make bench`, never in a test.
hypothesis_settings.register_profile("ballast", deadline=None)
hypothesis_settings.load_profile("ballast")


def settings_in(home: Path, **more: str) -> Settings:
    environ = {"BALLAST_HOME": str(home), "SECRET_KEY": "test", "RUN_JOBS": "0", **more}
    return Settings.from_environment(environ).ensure_home()


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Argon2 at its lowest costs: a tenth of a second for each person would double the run."""
    costly = passwords._hasher, passwords._NOBODY
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords._NOBODY = passwords.hash_password("nobody's password")
    yield
    passwords._hasher, passwords._NOBODY = costly


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("migrated")
    app = create_app(settings_in(home))
    with app.app_context():
        upgrade()
        db.engine.dispose()
    return home


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Path:
    home = tmp_path / "home"
    shutil.copytree(migrated, home, ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    return home


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def environ() -> dict[str, str]:
    """A test that needs other settings overrides this."""
    return {}


@pytest.fixture
def app(home: Path, clock: MovableClock, environ: dict[str, str]):
    app = create_app(settings_in(home, **environ))
    app.config["WTF_CSRF_ENABLED"] = False  # tests/web/test_session.py asks for it
    parts = app.extensions["ballast"]
    cards = SandboxProcessor(parts.sandbox, clock, sleep=lambda seconds: None)
    paypal = SandboxPayPal(parts.sandbox, clock, sleep=lambda seconds: None)
    processors = {cards.name: cards, paypal.name: paypal}
    app.extensions["ballast"] = replace(parts, clock=clock, processors=processors)
    # The context that tests hold would keep one request's person for the next request.
    app.before_request(lambda: g.pop("_login_user", None) and None)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def session(app):
    return db.session()


@pytest.fixture
def world(app, session) -> World:
    return World(app, session)


@pytest.fixture
def client(app, world):
    """A browser without JavaScript, signed in as the owner."""
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = str(world.created.user_id)
        cookie["_fresh"] = True
    return client
