"""Create a million accounts in a minute, by copying one account with SQL.

Every row of the home's only account becomes `times` rows: row i gets the ids (i-1)·times+1 to
i·times, and references follow. Entries of one account are therefore far apart, as they are if a
million accounts are metered daily.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webapp.domain.api_keys.api_key import hash_key

NUMBERED = {
    "email",
    "key",
    "reference",
    "processor_reference",
    "method_reference",
    "card_reference",
}
"""Unique text columns and references to them: each copy is prefixed with its number."""

KEPT = {"ledger_entry": {"reference"}}
"""Exceptions: columns that are unique only within their account."""


def api_key(copy: int) -> str:
    return f"bk_copy_{copy}"


def multiply(home: Path, times: int) -> None:
    """Account 1 becomes accounts 1 to `times`; account n has `api_key(n - 1)`."""
    for name in ("ballast.db", "sandbox.db"):
        database = sqlite3.connect(home / name, isolation_level=None)
        _copy_all(database, times)
        database.close()


def _copy_all(database: sqlite3.Connection, times: int) -> None:
    database.create_function("key_of_copy", 1, lambda copy: hash_key(api_key(copy)))
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -500000"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TEMP TABLE copies (copy INTEGER PRIMARY KEY)")
    database.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers LIMIT ?) "
        "INSERT INTO copies SELECT n FROM numbers",
        (times,),
    )
    tables = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"
    ).fetchall()
    with _unguarded(database):
        for (table,) in tables:
            _copy(database, table, times)
    database.execute("PRAGMA journal_mode = WAL")


def _copy(database: sqlite3.Connection, table: str, times: int) -> None:
    references = {row[3] for row in database.execute(f'PRAGMA foreign_key_list("{table}")')}
    texts = NUMBERED - KEPT.get(table, set())
    values = []
    for _, column, kind, *_ in database.execute(f'PRAGMA table_info("{table}")').fetchall():
        if column in references or (column == "id" and kind == "INTEGER"):
            values.append(f"({column} - 1) * {times} + copy + 1")
        elif column == "key_hash":
            values.append("key_of_copy(copy)")
        elif column in texts or column == "id":
            values.append(f"copy || '-' || {column}")
        else:
            values.append(column)
    if all(value.isidentifier() for value in values):
        return  # a table without per-account rows, such as settings
    database.execute(f'CREATE TEMP TABLE original AS SELECT * FROM main."{table}"')
    database.execute(f'DELETE FROM main."{table}"')
    # CROSS JOIN fixes the order of the loops, so rows are inserted in the order of their ids.
    database.execute(
        f'INSERT INTO main."{table}" SELECT {", ".join(values)} FROM original CROSS JOIN copies'
    )
    database.execute("DROP TABLE original")


@contextmanager
def _unguarded(database: sqlite3.Connection) -> Iterator[None]:
    """Drop indexes and triggers and create them again, which is faster than maintaining them."""
    found = database.execute(
        "SELECT type, name, sql FROM sqlite_master "
        "WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type"
    ).fetchall()
    for kind, name, _ in found:
        database.execute(f'DROP {kind} "{name}"')
    yield
    for _, _, sql in found:
        database.execute(sql)
