"""Unpack and verify a backup, both after making one and before restoring it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from webapp.backup.archive import BOOKS, DATABASE, Manifest, unpack
from webapp.backup.migrate import migrate
from webapp.backup.snapshot import open_sqlite
from webapp.domain.shared.errors import Refusal
from webapp.processors.sandbox.books import SandboxBooks
from webapp.reads.ledger.ledger_check import check_ledger


@dataclass(frozen=True)
class OpenedBackup:
    folder: Path
    manifest: Manifest
    engine: Engine
    """Engine of the unpacked database, migrated to this version's tables."""
    books: SandboxBooks | None


@contextmanager
def opened(file: Path, beside: Path) -> Iterator[OpenedBackup]:
    """Unpack into a temporary folder in `beside`. Raises `Refusal` if verification fails."""
    with TemporaryDirectory(prefix=".ballast-", dir=beside) as name:
        folder = Path(name)
        manifest = unpack(file, folder)
        has_books = (folder / BOOKS).exists()
        for database in (DATABASE, BOOKS) if has_books else (DATABASE,):
            _require_sound(folder / database, file)
        engine = open_sqlite(folder / DATABASE)
        books = SandboxBooks(folder / BOOKS) if has_books else None
        try:
            migrate(engine)
            require_agreement(engine, books, f"{file.name} cannot be verified")
            yield OpenedBackup(folder, manifest, engine, books)
        finally:
            engine.dispose()
            if books:
                books.close()


def require_agreement(database: Engine | Connection, books: SandboxBooks | None, what: str) -> None:
    """Raise `Refusal`, starting with `what`, if `flask ledger check` would find a difference."""
    with Session(database, join_transaction_mode="create_savepoint") as session:
        found = (
            check_ledger(session, books.paid_charges, books.reversals.all)
            if books
            else check_ledger(session, None)
        )
    if not found.agrees:
        more = len(found.differences) - 1
        rest = f" And {more:,} more differences." if more else ""
        raise Refusal(f"{what}. {found.differences[0].sentence}{rest}")


def _require_sound(database: Path, file: Path) -> None:
    try:
        with closing(sqlite3.connect(database)) as db:
            ((result,), *_) = db.execute("PRAGMA integrity_check").fetchall()
            orphan = db.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as error:
        result, orphan = str(error), None
    if orphan:
        result = f"a row of {orphan[0]} refers to a missing row of {orphan[2]}"
    if result != "ok":
        raise Refusal(f"{file.name} cannot be verified. {database.name}: {result}.")
