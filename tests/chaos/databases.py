"""The database under the run: its address, and reading it without a line of the product's."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tests.postgres import server


class Database:
    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, sql: str) -> Sequence[tuple]:
        """Each call opens a connection of its own."""
        with closing(self._connect()) as connection:
            return connection.execute(sql).fetchall()

    def one(self, sql: str) -> object:
        rows = self.rows(sql)
        return rows[0][0] if rows else None

    def instant(self, sql: str) -> datetime | None:
        """SQLite keeps text without a zone."""
        found = self.one(sql)
        if isinstance(found, str):
            found = datetime.fromisoformat(found).replace(tzinfo=UTC)
        return found

    def _connect(self) -> "sqlite3.Connection | psycopg.Connection":
        if self.url.startswith("sqlite"):
            return sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=30)
        return psycopg.connect(self.url.replace("+psycopg", ""))


@contextmanager
def database(kind: str, folder: Path) -> Iterator[Database]:
    """`kind` is "sqlite" or "postgres"; either is gone with the run. Raises `server.NoServer`."""
    if kind == "sqlite":
        yield Database(f"sqlite:///{folder / 'ballast.db'}")
        return
    with server.serve() as serving, serving.database() as url:
        yield Database(url)
