"""A fresh, migrated database for every test.

A test that uses the database runs twice: on SQLite and, where a server is available, on PostgreSQL.
`@on_sqlite` and `@on_postgres` limit a test to one of them.
"""

import gc
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import g
from flask_migrate import upgrade
from hypothesis import settings as hypothesis_settings

from tests import speedups
from tests.factories import MASTERCARD, START, VISA, MovableClock, World, signed_in_cookie
from tests.postgres.server import KeptDatabase, NoServer, Server, serve
from webapp.actions.accounts.create_account import NewAccount
from webapp.app import create_app
from webapp.domain.users import passwords
from webapp.env import sqlite_url
from webapp.extensions import db
from webapp.processors.sandbox.processor import SandboxPayPal, SandboxProcessor
from webapp.settings import Settings

speedups.use_memory()

# Imports and collection create a million objects that stay: a search among them finds no garbage.
gc.disable()

# Fixtures shared by several folders.
pytest_plugins = ["tests.roles", "tests.stripe_and_paypal"]

# `make bench` measures speed; tests never do.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")

SQLITE = pytest.param("sqlite", id="sqlite")
POSTGRES = pytest.param("postgres", id="postgres", marks=pytest.mark.postgres)

on_sqlite = pytest.mark.parametrize("database", [SQLITE], indirect=True)
on_postgres = pytest.mark.parametrize("database", [POSTGRES], indirect=True)


NOT_TRIED = "not tried on PostgreSQL"

ON_SQLITE_ALONE = tuple(
    f"stories/test_{name}.py"
    for name in (
        "all_fail_then_retry", "amounts_and_limits", "blocked_refill", "busy_processor",
        "challenges", "decline_and_fallback", "email_languages", "email_link",
        "exhausted_balance", "expiry_notices", "found_by_the_model", "late_and_lost_answers",
        "methods_changed_at_processor", "notification", "paypal", "refills_not_made",
        "repeated_rejections", "repeated_requests", "reversal_limits", "running_calls",
        "unit_mistake", "unknown_outcome", "wire_transfer", "withdrawn_during_a_charge",
        "without_auto_charge",
    )
)  # fmt: skip
"""Stories that do not run on PostgreSQL in `make test`.

Nearly all their SQL statements are also sent by tests that run on PostgreSQL.
"""

ON_POSTGRES_TOO = ("actions/", "contention/", "domain/", "postgres/", "stories/")
"""Folders whose other tests also run on PostgreSQL in `make test`; POSTGRES=all runs every test."""


LONGEST = (
    "chaos/test_chaos.py",
    "browser/test_accessibility.py",
    "browser/test_accessible_operator.py",
)
"""These start first: a long test that starts last keeps the other workers idle."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for name in (*ON_SQLITE_ALONE, *ON_POSTGRES_TOO, *LONGEST):
        assert (here / name).exists(), f"{name} is not in tests/"

    def is_in(item: pytest.Item, names: tuple[str, ...]) -> bool:
        return str(item.path.relative_to(here)).startswith(names)

    items.sort(key=lambda item: not is_in(item, LONGEST))
    if os.environ.get("POSTGRES") == "all":
        return
    left = [
        item
        for item in items
        if item.get_closest_marker("postgres")
        and "[postgres" in item.name
        and (is_in(item, ON_SQLITE_ALONE) or not is_in(item, ON_POSTGRES_TOO))
    ]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Report tests skipped for lack of a server as one count, not one line per test."""
    not_tried = report.skipped and NOT_TRIED in str(report.longrepr)
    return (NOT_TRIED, "s", "SKIPPED") if not_tried else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports(NOT_TRIED)[:1]:
        _, _, reason = report.longrepr
        terminalreporter.write_line(reason)


def settings_in(home: Path, **more: str) -> Settings:
    environ = {
        "BALLAST_HOME": str(home),
        "SECRET_KEY": "a secret of tests, long enough for a server",
        # Demo or live, so that the sandbox logs no warning.
        "DEMO": "auto",
        "RUN_JOBS": "0",
        **more,
    }
    return Settings.from_environment(environ).ensure_home()


def copy_home(home: Path, to: Path) -> Path:
    return shutil.copytree(home, to, ignore=shutil.ignore_patterns("*-wal", "*-shm"))


def migrate(settings: Settings) -> None:
    app = create_app(settings)
    with app.app_context():
        upgrade()
        db.engine.dispose()
    if books := app.extensions["ballast"].sandbox:
        books.close()


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Use Argon2 at its lowest cost: 0.1 s per user would double the duration of the run."""
    costly = passwords._hasher, passwords._NOBODY
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords._NOBODY = passwords.hash_password("nobody's password")
    yield
    passwords._hasher, passwords._NOBODY = costly


@pytest.fixture(scope="session", autouse=True)
def speeded_up() -> Iterator[None]:
    with (
        speedups.addresses(),
        speedups.templates(),
        speedups.static_files(),
        speedups.sockets(),
    ):
        yield


@pytest.fixture(scope="session")
def statements() -> speedups.Statements:
    return speedups.Statements()


@pytest.fixture(scope="session")
def statements_of_books() -> speedups.Statements:
    return speedups.Statements()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("migrated")

    def make() -> None:
        settings = settings_in(home)
        migrate(settings)
        settings.mark_file.unlink()  # copies of this home get their own keys

    speedups.made_once("migrated", home, make)
    return home


@dataclass(frozen=True)
class WithAccount:
    """A SQLite file with the tables and `World`'s account, which most tests begin with."""

    file: Path
    account: NewAccount


@pytest.fixture(scope="session")
def with_account(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> WithAccount:
    home = tmp_path_factory.mktemp("with_account") / "home"

    def make() -> NewAccount:
        app = create_app(settings_in(copy_home(migrated, home)), clock=MovableClock())
        with app.app_context():
            account = World(app, db.session()).created
            db.session.remove()
            db.engine.dispose()
        return account

    account = speedups.made_once("with_account", home, make)
    return WithAccount(home / "ballast.db", account)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    try:
        with serve() as server:
            yield server
    except NoServer as reason:
        pytest.skip(f"{NOT_TRIED}: {reason}")


@pytest.fixture(scope="session")
def kept(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptDatabase]:
    home = tmp_path_factory.mktemp("kept")
    kept = KeptDatabase(postgres, lambda url: migrate(settings_in(home, DATABASE_URL=url)))
    yield kept
    kept.close()


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Path:
    return copy_home(migrated, tmp_path / "home")


@pytest.fixture
def first_account(request: pytest.FixtureRequest, clock: MovableClock) -> NewAccount | None:
    """The account that the database contains from the start, if any.

    Only for `World`, on SQLite, and at the time when the account was created.
    """
    is_sqlite = request.node.callspec.params["database"] == "sqlite"
    if is_sqlite and clock.at == START and "world" in request.fixturenames:
        return request.getfixturevalue("with_account").account
    return None


@pytest.fixture(params=[SQLITE, POSTGRES])
def database(
    request: pytest.FixtureRequest, home: Path, first_account: NewAccount | None
) -> Iterator[str]:
    """Database URL of this test's own database."""
    if request.param == "sqlite":
        if first_account:
            shutil.copyfile(request.getfixturevalue("with_account").file, home / "ballast.db")
        yield sqlite_url(home / "ballast.db")
        return
    (home / "ballast.db").unlink()  # the application must not fall back to SQLite
    kept = request.getfixturevalue("kept")
    yield kept.url
    kept.empty()


@pytest.fixture(params=[SQLITE, POSTGRES])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database without tables."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "empty.db")
        return
    with request.getfixturevalue("postgres").database() as url:
        yield url


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def environ() -> dict[str, str]:
    """Extra settings; a test module overrides this fixture."""
    return {}


@pytest.fixture
def app(
    request: pytest.FixtureRequest,
    home: Path,
    database: str,
    clock: MovableClock,
    environ: dict[str, str],
):
    app = create_app(settings_in(home, DATABASE_URL=database, **environ), clock=clock)
    app.config["WTF_CSRF_ENABLED"] = False  # tests that submit the forms of pages enable it
    services = app.extensions["ballast"]
    cards = SandboxProcessor(services.sandbox, clock, sleep=lambda seconds: None)
    paypal = SandboxPayPal(services.sandbox, clock, sleep=lambda seconds: None)
    processors = {**services.processors, cards.name: cards, paypal.name: paypal}
    app.extensions["ballast"] = replace(services, processors=processors)
    # The app context held by the test would carry one request's user over to the next request.
    forget = app.before_request_funcs.setdefault(None, [])
    forget.insert(0, lambda: g.pop("_login_user", None) and None)
    with app.app_context():
        on_postgres = db.engine.dialect.name == "postgresql"
        kept = request.getfixturevalue("kept" if on_postgres else "statements")
        db.engines[None] = kept.engine_like(db.engine)
        if books := services.sandbox:
            kept_books = request.getfixturevalue("statements_of_books")
            books.store.bind(kept_books.engine_like(books.store.engine))
        yield app
        db.session.remove()
        if books:
            books.close()
        if not on_postgres:
            db.engine.dispose()


@pytest.fixture
def session(app):
    session = db.session()
    yield session
    session.close()  # code that removed it from its registry may have used it again


@pytest.fixture
def world(app, session, first_account: NewAccount | None) -> World:
    return World(app, session, first_account)


@pytest.fixture
def covered(world) -> World:
    """Visa first, Mastercard second, and a refill of 100.00 below 50.00."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    return world


@pytest.fixture
def client(app, world):
    """A browser without JavaScript, signed in as the owner."""
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie.update(signed_in_cookie(world.session, world.created.user_id, world.clock.wall()))
    return client
