"""Outage handling for requests: the schema check before, and the classification of errors.

Pages and the API have their own error responses; this module determines the outage and whether
the request may have had an effect.
"""

from flask import Flask, current_app, request
from sqlalchemy import event
from sqlalchemy.orm import Session

from webapp.extensions import db, services
from webapp.reads.system.outage import Outage, outage_of
from webapp.supervisor import sentence_of


def init_app(app: Flask) -> None:
    app.before_request(begin)


def begin() -> None:
    """Check the schema before a request, except for probes. Raises `OtherVersion`."""
    if request.blueprint == "probes":
        return
    session = db.session()
    session.info["committed"] = False
    services().schema.check(session)


def outage(error: Exception) -> Outage | None:
    """Return the outage that failed the current request, and log it; None for a bug.

    Flask wraps an error outside the view in a 500, as its `original_exception`.
    """
    error = getattr(error, "original_exception", None) or error
    reading = request.method in ("GET", "HEAD", "OPTIONS")
    committed = db.session().info.get("committed", False)
    found = outage_of(error, reading=reading, committed=committed)
    if found is not None:
        current_app.logger.error("%s %s: %s.", request.method, place(), sentence_of(error))
    return found


def place() -> str:
    """Return the current request's route with its ids, for the log; without tokens or text."""
    if request.url_rule is None:
        return "unknown route"
    ids = {name: n for name, n in (request.view_args or {}).items() if isinstance(n, int)}
    return " ".join([request.url_rule.rule, *(f"{name}={n}" for name, n in ids.items())])


@event.listens_for(db.session, "after_commit")
def note_commit(session: Session) -> None:
    session.info["committed"] = True
