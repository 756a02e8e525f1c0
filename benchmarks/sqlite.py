"""Bare SQLite with Ballast's durability settings."""

import sqlite3
from contextlib import closing
from pathlib import Path


def connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=15, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database


INSERT = """
INSERT INTO ledger_entry (account_id, kind, amount, balance_after, reference, description,
    attempt_id, occurred_at, posted_at)
VALUES (?, 'usage', ?, ?, ?, ?, NULL, ?, ?)"""


def bare_ledger(path: Path, like: Path) -> sqlite3.Connection:
    """Create an empty file with the ledger's table and indexes, without its triggers."""
    with closing(sqlite3.connect(like)) as model:
        statements = model.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'ledger_entry' "
            "AND type IN ('table', 'index') AND sql IS NOT NULL ORDER BY type DESC"
        ).fetchall()
    database = connect(path)
    for (statement,) in statements:
        database.execute(statement)
    return database


def ledger_row(account_id: int, amount: int, reference: str) -> tuple[object, ...]:
    at = "2026-11-22 10:00:00.000000"
    return (account_id, -amount, -amount, reference, "Outbound calls, Ireland mobile", at, at)
