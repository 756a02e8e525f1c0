"""What stands around every request: whether it may begin, and what an outage made of it.

Pages and the machine interface word an outage in their own ways; what became of the request is
found out here.
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
    """Raises `OtherVersion` where the tables are not this code's; probes are to tell of that."""
    if request.blueprint == "probes":
        return
    session = db.session()
    session.info["committed"] = False
    services().schema.check(session)


def outage(error: Exception) -> Outage | None:
    """What to tell whoever sent the present request; None for an error that is ours.

    What fails outside the view comes from Flask as the cause of a 500.
    """
    error = getattr(error, "original_exception", None) or error
    reading = request.method in ("GET", "HEAD", "OPTIONS")
    committed = db.session().info.get("committed", False)
    found = outage_of(error, reading=reading, committed=committed)
    if found is not None:
        current_app.logger.error("%s %s: %s.", request.method, place(), sentence_of(error))
    return found


def place() -> str:
    """Where the present request went, for the log: with ids, and without what a link's token or a
    person's text would tell there.
    """
    if request.url_rule is None:
        return "an address that there is not"
    ids = {name: n for name, n in (request.view_args or {}).items() if isinstance(n, int)}
    return " ".join([request.url_rule.rule, *(f"{name}={n}" for name, n in ids.items())])


@event.listens_for(db.session, "after_commit")
def note_commit(session: Session) -> None:
    session.info["committed"] = True
