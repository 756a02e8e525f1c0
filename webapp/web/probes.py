"""For machines that watch: alive, ready, and metrics."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp.extensions import db, parts
from webapp.reads.metrics import read_metrics

blueprint = Blueprint("probes", __name__)


@blueprint.get("/healthz")
def alive() -> ResponseReturnValue:
    return "ok\n", {"Content-Type": "text/plain"}


@blueprint.get("/readyz")
def ready() -> ResponseReturnValue:
    """Whether the database answers and has its tables."""
    try:
        db.session.execute(text("SELECT 1 FROM account LIMIT 1"))
    except SQLAlchemyError:
        return "the database does not answer\n", 503, {"Content-Type": "text/plain"}
    return "ready\n", {"Content-Type": "text/plain"}


@blueprint.get("/metrics")
def metrics() -> ResponseReturnValue:
    registry = CollectorRegistry()
    for name, (meaning, value) in read_metrics(db.session(), parts().clock.now()).items():
        Gauge(f"ballast_{name}", meaning, registry=registry).set(value)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
