"""Probes for monitoring: liveness, readiness and metrics."""

from dataclasses import asdict
from hmac import compare_digest

from flask import Blueprint, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from webapp.extensions import Services, make_context, services
from webapp.reads.system.metrics import read_metrics
from webapp.reads.system.readiness import Readiness, read_readiness
from webapp.web.http.trusted_proxies import is_from_this_host

blueprint = Blueprint("probes", __name__)

TEXT = {"Content-Type": "text/plain; charset=utf-8"}


@blueprint.get("/healthz")
def alive() -> ResponseReturnValue:
    return "ok\n", TEXT


@blueprint.get("/readyz")
def ready() -> ResponseReturnValue:
    """200, or 503 with one line per problem; warnings and notes come with both."""
    found = readiness(services())
    status = 200 if found.is_ready else 503
    if request.accept_mimetypes.best == "application/json":
        return jsonify({"ready": found.is_ready, **asdict(found)}), status
    return as_text(found), status, TEXT


def readiness(services: Services) -> Readiness:
    return read_readiness(
        make_context(),
        stopped(services),
        services.settings,
        services.sightings,
    )


def as_text(found: Readiness) -> str:
    lines = [line.sentence for line in found.troubles] or ["ready"]
    lines += [f"warning: {line.sentence}" for line in found.warnings]
    return "\n".join([*lines, *(line.sentence for line in found.notes), ""])


def stopped(services: Services) -> list[str]:
    """Background tasks that this process should run and does not."""
    if services.supervisor is not None:
        return services.supervisor.stalled()
    return ["the worker", "the scheduler"] if services.settings.run_jobs else []


def may_read(token: str) -> bool:
    """Whether the metrics may be read: with the token, or from this host if none is set."""
    if not token:
        return is_from_this_host(request)
    # Werkzeug's parser of this header fails on non-ASCII Basic credentials.
    sent = request.headers.get("Authorization", "").encode()
    return compare_digest(sent, f"Bearer {token}".encode())


@blueprint.get("/metrics")
def metrics() -> ResponseReturnValue:
    if not may_read(services().settings.metrics_token):
        abort(404)
    found = readiness(services())
    figures = read_metrics(make_context()) if found.is_readable else {}
    figures["ready"] = ("1 if /readyz reports ready", float(found.is_ready))
    registry = CollectorRegistry()
    for name, (meaning, value) in figures.items():
        Gauge(f"ballast_{name}", meaning, registry=registry).set(value)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
