"""The file that the pretend processor keeps its books in: SQLite, apart from the product's own.

Each thread has its own connection, and a writer takes its lock first, so threads and processes
may share the file.
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

# Tables only ever join those of older books; none changes its columns.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS setting (
    name TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS token ({_CARD}
) WITHOUT ROWID;

-- Cards whose challenge is still open: no charge finds them here.
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

-- `subject` is what waits for the answer: a held card, an agreement to be, the key of a charge.
-- `decline_code` is what the bank says even to a customer who has confirmed; empty: it agrees.
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

-- The account that a token or a challenge was made for (M14), by its id.
CREATE TABLE IF NOT EXISTS owner (
    subject TEXT PRIMARY KEY,
    account_id INTEGER NOT NULL
) WITHOUT ROWID;

-- As the bank first answered; what came of a challenge stands in `challenge`.
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

-- Money of a charge that went back: refunds, disputes, reversals.
CREATE TABLE IF NOT EXISTS taken_back (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('refund', 'dispute', 'reversal')),
    key TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL DEFAULT 'taken' CHECK (state IN ('taken', 'lost', 'returned')),
    created_at TEXT NOT NULL
) WITHOUT ROWID;

-- What the product's webhook is told.
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
    """Opens `path`, making the folder, the file and its tables where they are absent.

    Not before it is used: a full disk must not keep the product from starting and telling of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threads = threading.local()
        self._has_tables = False

    @property
    def db(self) -> sqlite3.Connection:
        """This thread's connection; each statement outside `writing` stands for itself."""
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
        """One transaction: all of it, or nothing."""
        db = self.db
        with _transaction(db):
            yield db

    def setting(self, name: str, default: int | str) -> int | str:
        row = self.db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return default if row is None else row[0]

    @contextmanager
    def view(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own that goes on seeing the file as it is now: to copy it from."""
        with closing(self._open()) as db:
            db.execute("BEGIN")
            db.execute("SELECT 1 FROM setting").fetchone()
            yield db

    def replace_by(self, copy: Path) -> None:
        """Take over all that a copy holds, also for those who have the file open."""
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
        # A charge that was answered stays booked after a power cut.
        db.execute("PRAGMA synchronous = FULL")
        return db


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has ended it already
            db.execute("ROLLBACK")
        raise


def _make_tables(db: sqlite3.Connection) -> None:
    there = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    if {row["name"] for row in there} >= TABLES:
        return  # books that can only be read are read
    with _transaction(db):
        for statement in SCHEMA.split(";\n"):
            db.execute(statement)
        # Fingerprints of card numbers are made under a secret, so that a copy of the
        # product's own database says nothing about the numbers.
        for secret in ("fingerprint_secret", "webhook_secret"):
            db.execute("INSERT OR IGNORE INTO setting VALUES (?, ?)", (secret, token_hex(32)))


def _write_ahead(db: sqlite3.Connection) -> None:
    """Readers go on while one writes. Only the first connection ever has to ask for it.

    SQLite does not wait for its lock here, whatever the time-out.
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
    """Within the transaction that makes the token or the challenge."""
    db.execute("INSERT INTO owner VALUES (?, ?)", (subject, account_id))


def owner_of(db: sqlite3.Connection, subject: str) -> int | None:
    row = db.execute("SELECT account_id FROM owner WHERE subject = ?", (subject,)).fetchone()
    return None if row is None else int(row["account_id"])


def written(instant: datetime) -> str:
    """As an instant stands in the file: UTC, in an order that text can be sorted by."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def read(text: str) -> datetime:
    return datetime.fromisoformat(text)
