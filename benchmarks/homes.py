"""Homes with a migrated database, and the application on them in this process."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from flask import Flask
from flask_migrate import upgrade

from benchmarks.servers import environment
from webapp.app import create_app
from webapp.extensions import Services, db, services
from webapp.processors.sandbox.books import SandboxBooks
from webapp.reads.ledger.ledger_check import check_ledger
from webapp.settings import Settings


@contextmanager
def application(home: Path, **more: str) -> Iterator[Services]:
    """An application context of the home. `more` are settings by environment variable."""
    app = _create(home, **more)
    with app.app_context():
        try:
            yield services(app)
        finally:
            close(app)


def new_home(folder: Path) -> Path:
    home = Path(mkdtemp(prefix="home-", dir=folder))
    return copy_home(_migrated(folder), home)


def copy_home(source: Path, home: Path) -> Path:
    """Copy a home that no process has open."""
    return shutil.copytree(source, home, dirs_exist_ok=True)


def sandbox(services: Services) -> SandboxBooks:
    """The sandbox's books, which a default installation has."""
    if services.sandbox is None:
        raise RuntimeError("a default installation charges in the sandbox")
    return services.sandbox


def prove(home: Path) -> None:
    """Raise unless ledger, payments and the sandbox's books agree."""
    with application(home) as it:
        found = check_ledger(db.session(), sandbox(it).paid_charges)
        if not found.agrees:
            raise RuntimeError(f"the books do not agree: {found.differences[:5]}")


@cache
def _migrated(folder: Path) -> Path:
    home = folder / "migrated"
    app = _create(home)
    with app.app_context():
        upgrade()
        close(app)
    return home


def close(app: Flask) -> None:
    """Close the home's files, so that they can be copied."""
    db.session.remove()
    db.engine.dispose()
    sandbox(services(app)).close()


def _create(home: Path, **more: str) -> Flask:
    return create_app(Settings.from_environment(environment(home, **more)).ensure_home())
