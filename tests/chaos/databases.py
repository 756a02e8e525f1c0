"""The run's database: its URL, and queries that use none of the product's code."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tests.postgres import server
from tests.postgres.bouncer import Bouncer, bouncer
from tests.postgres.cluster import Cluster, cluster

KINDS = ("sqlite", "postgres", "postgres-ha", "postgres-pgbouncer")
"""The last two kinds have two servers; the last is reached through PgBouncer (transaction mode)."""

NAME = "chaos"

PATIENCE = 60
"""Seconds for a standby to take over."""


class Database:
    fails_over = False

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, sql: str) -> Sequence[tuple]:
        """Run the query on a new connection."""
        with closing(self._connect()) as connection:
            return connection.execute(sql).fetchall()

    def one(self, sql: str) -> object:
        rows = self.rows(sql)
        return rows[0][0] if rows else None

    def instant(self, sql: str) -> datetime | None:
        """Return a time in UTC; SQLite stores text without a zone."""
        found = self.one(sql)
        if isinstance(found, str):
            found = datetime.fromisoformat(found).replace(tzinfo=UTC)
        return found

    def _connect(self) -> "sqlite3.Connection | psycopg.Connection":
        if self.url.startswith("sqlite"):
            return sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=30)
        return psycopg.connect(self.url.replace("+psycopg", ""))


class Replicated(Database):
    """A database on two servers; the run's own queries bypass the pooler."""

    fails_over = True

    def __init__(self, cluster: Cluster, pooler: Bouncer | None = None) -> None:
        cluster.primary.scalar(f"CREATE DATABASE {NAME}")
        super().__init__((pooler or cluster).url(NAME))
        self._cluster, self._pooler = cluster, pooler

    def rows(self, sql: str) -> Sequence[tuple]:
        """Run the query, waiting for a primary if there is none."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return super().rows(sql)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def kill_primary(self) -> None:
        self._cluster.primary.kill()

    def take_over(self) -> None:
        self._cluster.fail_over()
        if self._pooler is not None:
            self._pooler.point_to(self._cluster.primary.port)

    def rebuild_standby(self) -> None:
        self._cluster.rebuild_standby()

    def _connect(self) -> psycopg.Connection:
        return self._cluster.primary.connect(NAME)


@contextmanager
def database(kind: str, folder: Path) -> Iterator[Database]:
    """Create the database for the duration of the run; `kind` is one of `KINDS`.

    Raises `server.NoServer`.
    """
    if kind == "sqlite":
        yield Database(f"sqlite:///{folder / 'ballast.db'}")
        return
    if kind != "postgres":
        with ExitStack() as stack:
            servers = stack.enter_context(cluster())
            pooled = kind == "postgres-pgbouncer"
            pooler = stack.enter_context(bouncer(servers.primary.port)) if pooled else None
            yield Replicated(servers, pooler)
        return
    with server.serve() as serving, serving.database() as url:
        yield Database(url)
