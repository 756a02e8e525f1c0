"""A backup, unpacked and proved. Who makes one opens it in the same way as who restores it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from webapp.backup.archive import BOOKS, DATABASE, Manifest, unpack
from webapp.backup.migrate import bring_up
from webapp.backup.snapshot import open_sqlite
from webapp.domain.shared.errors import Refusal
from webapp.processors.sandbox.books import SandboxBooks
from webapp.reads.ledger.ledger_check import check_ledger


@dataclass(frozen=True)
class OpenedBackup:
    folder: Path
    manifest: Manifest
    engine: Engine
    """Of its database, which has been migrated to our tables."""
    books: SandboxBooks | None


@contextmanager
def opened(file: Path, beside: Path) -> Iterator[OpenedBackup]:
    """Unpack into a folder that is gone afterwards. Raises `Refusal` for what does not prove."""
    with TemporaryDirectory(prefix=".ballast-", dir=beside) as name:
        folder = Path(name)
        manifest = unpack(file, folder)
        has_books = (folder / BOOKS).exists()
        for database in (DATABASE, BOOKS) if has_books else (DATABASE,):
            _require_sound(folder / database, file)
        engine = open_sqlite(folder / DATABASE)
        books = SandboxBooks(folder / BOOKS) if has_books else None
        try:
            bring_up(engine)
            require_agreement(engine, books, f"{file.name} does not prove")
            yield OpenedBackup(folder, manifest, engine, books)
        finally:
            engine.dispose()
            if books:
                books.close()


def require_agreement(database: Engine | Connection, books: SandboxBooks | None, what: str) -> None:
    """Raises `Refusal` where `flask ledger check` would find a difference."""
    with Session(database, join_transaction_mode="create_savepoint") as session:
        found = (
            check_ledger(session, books.paid_charges, books.afterwards.all)
            if books
            else check_ledger(session, None)
        )
    if not found.agrees:
        more = len(found.differences) - 1
        rest = f" And {more:,} more." if more else ""
        raise Refusal(f"{what}. {found.differences[0].sentence}{rest}")


def _require_sound(database: Path, file: Path) -> None:
    try:
        with closing(sqlite3.connect(database)) as db:
            ((said,), *_) = db.execute("PRAGMA integrity_check").fetchall()
            orphan = db.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as error:
        said, orphan = str(error), None
    if orphan:
        said = f"a row of {orphan[0]} names one of {orphan[2]} that is not there"
    if said != "ok":
        raise Refusal(f"{file.name} does not prove. {database.name}: {said}.")
