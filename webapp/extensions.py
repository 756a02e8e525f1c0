"""Flask extensions, the application's services, and the database's connection settings.

Request handlers, commands and jobs read the services here and pass them on as arguments; actions,
reads and domain do not import this module.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from flask_wtf import CSRFProtect
from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.pool import ConnectionPoolEntry

from webapp.actions.batch import ShouldContinue, always
from webapp.actions.usage.group_commit import UsageBatcher
from webapp.clock import Clock
from webapp.database.base import Base
from webapp.database.pooler import POOLED, is_pooled
from webapp.database.schema_version import Gate
from webapp.domain.shared.policy import Policy
from webapp.domain.wires.bank_details import BankDetails
from webapp.ports import Mailer, Processors, ProofFiles, WebhookSender
from webapp.reads.system.installation import Sightings
from webapp.settings import Settings
from webapp.supervisor import Supervisor, sentence_of

if TYPE_CHECKING:
    import psycopg

    from webapp.processors.sandbox.books import SandboxBooks

log = logging.getLogger(__name__)

PATIENCE = 15
"""Seconds that a writer waits for a lock."""

LOCK_TIMEOUT = f"lock_timeout = '{PATIENCE}s'"

WRITE_LOCK = "write_lock"
"""Key in `connection.info` of the write lock that an SQLite connection holds."""


class ClosingNeverFails(FlaskSession):
    """A session that can be closed after the server has ended its connection.

    Flask-SQLAlchemy closes the session after the response is built, outside every error handler:
    an error there would replace the response of a committed request. The server rolls back what
    was not committed.
    """

    def close(self) -> None:
        try:
            super().close()
        except DBAPIError as error:
            log.warning("A connection was lost after its last use. %s", sentence_of(error))
            self.invalidate()


db = SQLAlchemy(metadata=Base.metadata, session_options={"class_": ClosingNeverFails})
migrate = Migrate()
csrf = CSRFProtect()
login_manager = LoginManager()


@dataclass(frozen=True)
class Services:
    """The application's adapters and settings."""

    settings: Settings
    policy: Policy
    clock: Clock
    processors: Processors
    card_processor: str
    """Name of the processor that new cards are saved with."""
    paypal_processor: str
    """Name of the processor for PayPal agreements; empty if PayPal is not offered."""
    mailer: Mailer
    letters: Mailer
    """Renders emails for operators to read, with masked links."""
    webhook_sender: WebhookSender
    proofs: ProofFiles
    wake: Callable[[], None]
    """Wakes the worker because something is due; never blocks."""
    supervisor: Supervisor | None = None
    """Supervisor of this process's background tasks; None if it runs none."""
    should_continue: ShouldContinue = always
    """For jobs: False once their process is shutting down."""
    schema: Gate = field(default_factory=Gate)
    usage_batcher: UsageBatcher = field(default_factory=UsageBatcher)
    """Posts concurrent usage requests in one commit."""
    sightings: Sightings = field(default_factory=Sightings)
    sandbox: "SandboxBooks | None" = None
    """The sandbox processor's database; None if no sandbox is configured."""
    bank: BankDetails | None = None
    """The bank account for wire transfers; None if they are not offered."""


def services(app: Flask | None = None) -> Services:
    return cast(Services, (app or current_app).extensions["ballast"])


def pin_loaded_records() -> None:
    """Keep loaded records referenced until their transaction ends, so that each is read once.

    A session references its records weakly (SQLAlchemy, "Session Referencing Behavior"), and our
    view objects copy the values they show.
    """

    @event.listens_for(db.session, "loaded_as_persistent")
    def keep(session: Session, record: object) -> None:
        session.info.setdefault("kept", []).append(record)

    @event.listens_for(db.session, "after_transaction_end")
    def let_go(session: Session, transaction: SessionTransaction) -> None:
        session.info.pop("kept", None)


pin_loaded_records()


def tune(engine: Engine) -> None:
    """Set up isolation and locking.

    A read transaction sees one snapshot. A write transaction, which starts with
    `database.base.begin_writing`, waits for earlier writers and sees their changes.
    """
    tune_sqlite(engine) if engine.dialect.name == "sqlite" else tune_postgres(engine)


def tune_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        # Disables the driver's implicit BEGIN; the `begin` listener below issues it.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode = WAL",  # a writer does not block readers
            "synchronous = FULL",  # committed transactions survive a power cut
            "foreign_keys = ON",
            f"busy_timeout = {PATIENCE * 1000}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    # SQLite's waiting writers poll with sleeps; this lock wakes the next one at once.
    write_lock = Lock()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("writes"):
            connection.exec_driver_sql("BEGIN")
            return
        # The lock belongs to the connection until it is returned to the pool. A detached
        # connection is never returned, so it takes no lock.
        needs_lock = WRITE_LOCK not in connection.info and not connection.connection.is_detached
        if needs_lock and write_lock.acquire(timeout=PATIENCE):
            connection.info[WRITE_LOCK] = write_lock
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def release_lock(connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        if (held := record.info.pop(WRITE_LOCK, None)) is not None:
            held.release()


def tune_postgres(engine: Engine) -> None:
    from psycopg import IsolationLevel  # imported only if PostgreSQL is used, to save memory

    @event.listens_for(engine, "connect")
    def prepare(connection: "psycopg.Connection", record: ConnectionPoolEntry) -> None:
        connection.autocommit = True
        record.info[POOLED] = is_pooled(connection)
        if record.info[POOLED]:
            # The next transaction may run in a session without the prepared statement.
            connection.prepare_threshold = None
        else:
            for setting in (
                LOCK_TIMEOUT,
                # Locks of an unreachable client are released after a minute instead of two hours.
                "tcp_keepalives_idle = 30",
                "tcp_keepalives_interval = 10",
                "tcp_keepalives_count = 3",
            ):
                connection.execute(f"SET {setting}")
        connection.autocommit = False

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        driver = cast("psycopg.Connection", connection.connection.driver_connection)
        # psycopg begins the transaction with this level at the first statement.
        driver.isolation_level = (
            IsolationLevel.READ_COMMITTED if writes else IsolationLevel.REPEATABLE_READ
        )
        if connection.info.get(POOLED):
            connection.exec_driver_sql(f"SET LOCAL {LOCK_TIMEOUT}")
