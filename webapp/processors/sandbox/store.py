"""SQLite file with the sandbox's books, separate from the product's database.

Each thread has its own connection, and write transactions begin with the lock, so threads and
processes can share the file.
"""

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

BUSY = 15.0
"""Seconds to wait for another writer."""

_CARD = """
    id TEXT PRIMARY KEY,
    behaviour TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    brand TEXT NOT NULL,
    last4 TEXT NOT NULL,
    exp_month INTEGER NOT NULL,
    exp_year INTEGER NOT NULL,
    cardholder TEXT NOT NULL,
    address_country TEXT NOT NULL,
    address_line TEXT NOT NULL,
    address_city TEXT NOT NULL,
    address_postcode TEXT NOT NULL,
    created_at TEXT NOT NULL"""

# New versions may add tables, but never change columns of existing ones.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS setting (
    name TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS token ({_CARD}
) WITHOUT ROWID;

-- Cards whose challenge is still open; they cannot be charged.
CREATE TABLE IF NOT EXISTS held_card ({_CARD}
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS card ({_CARD},
    revoked_at TEXT
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS agreement (
    id TEXT PRIMARY KEY,
    payer_id TEXT NOT NULL,
    payer_email TEXT NOT NULL,
    created_at TEXT NOT NULL,
    cancelled_at TEXT, -- by the payer
    revoked_at TEXT -- by the merchant
) WITHOUT ROWID;

-- `subject`: the waiting object: a held card, a future agreement, or the key of a charge.
-- `decline_code`: the bank's decline after a confirmation; empty if it then approves.
CREATE TABLE IF NOT EXISTS challenge (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('card', 'agreement', 'charge')),
    subject TEXT NOT NULL,
    decline_code TEXT NOT NULL DEFAULT '',
    return_to TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'completed', 'failed', 'cancelled')),
    created_at TEXT NOT NULL,
    ended_at TEXT,
    UNIQUE (kind, subject)
) WITHOUT ROWID;

-- The account of a token or challenge (M14).
CREATE TABLE IF NOT EXISTS owner (
    subject TEXT PRIMARY KEY,
    account_id INTEGER NOT NULL
) WITHOUT ROWID;

-- The bank's first answer; the outcome of a challenge is in `challenge`.
CREATE TABLE IF NOT EXISTS charge (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    request TEXT NOT NULL,
    reference TEXT NOT NULL UNIQUE,
    card_reference TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    customer_present INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('paid', 'declined', 'needs_customer')),
    decline_code TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL
);

-- Refunds, disputes and reversals of charges.
CREATE TABLE IF NOT EXISTS taken_back (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('refund', 'dispute', 'reversal')),
    key TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL DEFAULT 'taken' CHECK (state IN ('taken', 'lost', 'returned')),
    created_at TEXT NOT NULL
) WITHOUT ROWID;

-- Events for the product's webhook.
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    processor TEXT NOT NULL,
    about TEXT NOT NULL,
    created_at TEXT NOT NULL,
    delivered_at TEXT
);

CREATE TABLE IF NOT EXISTS verification (
    key TEXT PRIMARY KEY,
    card_reference TEXT NOT NULL,
    decline_code TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS answer (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    decline_code TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL DEFAULT 0,
    last4 TEXT NOT NULL DEFAULT ''
);
"""


TABLES = set(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", SCHEMA))


class Store:
    """The file at `path`. Folder, file and tables are created at the first use.

    They are not created earlier, so that the product can start and report a full disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threads = threading.local()
        self._has_tables = False

    @property
    def db(self) -> sqlite3.Connection:
        """This thread's connection, in autocommit mode outside `writing`."""
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = self._open()
            if not self._has_tables:
                _make_tables(connection)
                self._has_tables = True
            self._threads.connection = connection
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction, committed at the end."""
        db = self.db
        with _transaction(db):
            yield db

    def setting(self, name: str, default: int | str) -> int | str:
        row = self.db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return default if row is None else row[0]

    @contextmanager
    def view(self) -> Iterator[sqlite3.Connection]:
        """A separate connection with a consistent view of the file, for a backup."""
        with closing(self._open()) as db:
            db.execute("BEGIN")
            db.execute("SELECT 1 FROM setting").fetchone()
            yield db

    def replace_by(self, copy: Path) -> None:
        """Replace the contents by those of a copy, also for other open connections."""
        with closing(sqlite3.connect(copy)) as source:
            source.backup(self.db)
        _make_tables(self.db)  # the copy may be older than the newest table

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        self.db.close()
        del self._threads.connection

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None)
        db.row_factory = sqlite3.Row
        _write_ahead(db)
        # A booked charge must survive a power failure.
        db.execute("PRAGMA synchronous = FULL")
        return db


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk ends the transaction
            db.execute("ROLLBACK")
        raise


def _make_tables(db: sqlite3.Connection) -> None:
    there = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    if {row["name"] for row in there} >= TABLES:
        return  # read-only books stay readable
    with _transaction(db):
        for statement in SCHEMA.split(";\n"):
            db.execute(statement)
        # Fingerprints of card numbers are keyed, so that a copy of the product's database does not
        # reveal the numbers.
        for secret in ("fingerprint_secret", "webhook_secret"):
            db.execute("INSERT OR IGNORE INTO setting VALUES (?, ?)", (secret, token_hex(32)))


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switch the file to WAL mode, so that readers do not wait for writers.

    SQLite ignores the timeout for this lock, so the switch is retried.
    """
    deadline = time.monotonic() + BUSY
    while True:
        try:
            if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def keep_owner(db: sqlite3.Connection, subject: str, account_id: int) -> None:
    """Record the account, in the transaction that creates the token or challenge."""
    db.execute("INSERT INTO owner VALUES (?, ?)", (subject, account_id))


def owner_of(db: sqlite3.Connection, subject: str) -> int | None:
    row = db.execute("SELECT account_id FROM owner WHERE subject = ?", (subject,)).fetchone()
    return None if row is None else int(row["account_id"])


def written(instant: datetime) -> str:
    """An instant as sortable text in UTC."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def read(text: str) -> datetime:
    return datetime.fromisoformat(text)
