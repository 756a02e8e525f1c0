"""Flask extensions, the application's services, and the database's connection settings.

Request handlers, commands and jobs read the services here and pass them on as arguments; actions,
reads and domain do not import this module.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from flask_wtf import CSRFProtect
from sqlalchemy.exc import DBAPIError

from webapp.actions.batch import ShouldContinue, always
from webapp.actions.group_commit import GroupCommit
from webapp.actions.usage.open_hold import NewHold, Opened, open_holds
from webapp.actions.usage.post_requests import Receipts, Usages, post_requests
from webapp.clock import Clock
from webapp.database.base import Base
from webapp.database.schema_version import Gate
from webapp.database.transactions import keep_loaded_records
from webapp.domain.shared.context import SYSTEM, Actor, Context
from webapp.domain.shared.errors import Refusal
from webapp.domain.shared.policy import Policy
from webapp.domain.wires.bank_details import BankDetails
from webapp.ports import Mailer, Processors, ProofFiles, WebhookSender
from webapp.reads.system.installation import Sightings
from webapp.settings import Settings
from webapp.supervisor import Supervisor, sentence_of

if TYPE_CHECKING:
    from webapp.processors.sandbox.books import SandboxBooks

log = logging.getLogger(__name__)


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
keep_loaded_records(db.session)
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
    usage_batcher: GroupCommit[Usages, Receipts] = field(
        default_factory=lambda: GroupCommit(post_requests)
    )
    """Posts concurrent usage requests in one commit."""
    hold_batcher: GroupCommit[NewHold, Opened | Refusal] = field(
        default_factory=lambda: GroupCommit(open_holds)
    )
    """Authorises concurrent calls in one commit."""
    sightings: Sightings = field(default_factory=Sightings)
    sandbox: "SandboxBooks | None" = None
    """The sandbox processor's database; None if no sandbox is configured."""
    bank: BankDetails | None = None
    """The bank account for wire transfers; None if they are not offered."""


def services(app: Flask | None = None) -> Services:
    return cast(Services, (app or current_app).extensions["ballast"])


def make_context(actor: Actor = SYSTEM) -> Context:
    """Build the context of this request, command or job at the present time."""
    its = services()
    return Context(db.session(), its.clock.now(), actor, its.policy, its.clock, its.processors)
