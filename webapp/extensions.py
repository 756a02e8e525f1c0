"""Flask's own objects, and the parts the factory was given.

Handlers take from here what they pass on to actions and reads; nothing below this room does.
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
"""Seconds that a writer waits for the one before it."""

LOCK_TIMEOUT = f"lock_timeout = '{PATIENCE}s'"


class ClosingNeverFails(FlaskSession):
    """A session that can be closed after the server has ended its connection.

    Flask-SQLAlchemy closes it after the answer is made and outside every error handler: an error
    there would replace an answer whose work is committed. What was not committed is undone by the
    server.
    """

    def close(self) -> None:
        try:
            super().close()
        except DBAPIError as error:
            log.warning("A connection was lost after its work was done. %s", sentence_of(error))
            self.invalidate()


db = SQLAlchemy(metadata=Base.metadata, session_options={"class_": ClosingNeverFails})
migrate = Migrate()
csrf = CSRFProtect()
login_manager = LoginManager()


@dataclass(frozen=True)
class Services:
    """What the application is made of, apart from Flask."""

    settings: Settings
    policy: Policy
    clock: Clock
    processors: Processors
    card_processor: str
    """The name of the one that new cards are saved with."""
    paypal_processor: str
    """As for agreements; empty: PayPal is not offered."""
    mailer: Mailer
    letters: Mailer
    """Renders mails for staff to read: their signed links lead nowhere."""
    webhook_sender: WebhookSender
    """Brings webhooks to their receivers."""
    proofs: ProofFiles
    wake: Callable[[], None]
    """Tell the worker that something is due now; never blocks."""
    supervisor: Supervisor | None = None
    """What this process runs beside its requests; None: nothing."""
    should_continue: ShouldContinue = always
    """For jobs: False once their process is to end."""
    schema: Gate = field(default_factory=Gate)
    usage_batcher: UsageBatcher = field(default_factory=UsageBatcher)
    """Where usage that arrives at once shares a commit."""
    sightings: Sightings = field(default_factory=Sightings)
    sandbox: "SandboxBooks | None" = None
    """The pretend processor's books, where one is configured."""
    bank: BankDetails | None = None
    """Where wire transfers go; None: they are not offered."""


def services(app: Flask | None = None) -> Services:
    return cast(Services, (app or current_app).extensions["ballast"])


def pin_loaded_records() -> None:
    """Hold each record until its transaction ends, so that it is read once and not once a reader.

    A session forgets what nobody refers to (SQLAlchemy, "Session Referencing Behavior"), and our
    screen objects copy what they show.
    """

    @event.listens_for(db.session, "loaded_as_persistent")
    def keep(session: Session, record: object) -> None:
        session.info.setdefault("kept", []).append(record)

    @event.listens_for(db.session, "after_transaction_end")
    def let_go(session: Session, transaction: SessionTransaction) -> None:
        session.info.pop("kept", None)


pin_loaded_records()


def tune(engine: Engine) -> None:
    """Make the database keep its promises under many threads.

    Who reads sees one state of it, whatever is written meanwhile; who writes has said so at the
    start (see `database.base.begin_writing`), waits for who came before, and sees what they wrote.
    """
    tune_sqlite(engine) if engine.dialect.name == "sqlite" else tune_postgres(engine)


def tune_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        # The driver's own habit of starting transactions late is off: we say when.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode = WAL",  # readers go on while one writes
            "synchronous = FULL",  # a debit that was answered survives a power cut
            "foreign_keys = ON",
            f"busy_timeout = {PATIENCE * 1000}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    # SQLite lets its waiters sleep and guess; here the next writer goes on at once, in turn.
    turn = Lock()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("writes"):
            connection.exec_driver_sql("BEGIN")
            return
        # Who keeps the connection keeps the turn, for all that it writes. A detached one is never
        # given back.
        waits = "turn" not in connection.info and not connection.connection.is_detached
        if waits and turn.acquire(timeout=PATIENCE):
            connection.info["turn"] = turn
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def give_up_the_turn(connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        if (turn := record.info.pop("turn", None)) is not None:
            turn.release()


def tune_postgres(engine: Engine) -> None:
    from psycopg import IsolationLevel  # where it is not used it takes no memory

    @event.listens_for(engine, "connect")
    def prepare(connection: "psycopg.Connection", record: ConnectionPoolEntry) -> None:
        connection.autocommit = True
        record.info[POOLED] = is_pooled(connection)
        if record.info[POOLED]:
            # The next transaction may have another session, which does not know the statement.
            connection.prepare_threshold = None
        else:
            for setting in (
                LOCK_TIMEOUT,
                # What a host has locked that was cut off is free after a minute, not two hours.
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
        # It opens the transaction with this level at the first statement.
        driver.isolation_level = (
            IsolationLevel.READ_COMMITTED if writes else IsolationLevel.REPEATABLE_READ
        )
        if connection.info.get(POOLED):
            connection.exec_driver_sql(f"SET LOCAL {LOCK_TIMEOUT}")
