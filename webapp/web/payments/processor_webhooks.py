"""Receive webhooks of processors, which are authenticated by their signatures."""

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from webapp.actions.payments.receive_event import Receipt, receive_event
from webapp.extensions import csrf, make_context, services

blueprint = Blueprint("webhooks", __name__)

STATUSES = {
    Receipt.DONE: 200,
    Receipt.KNOWN: 200,
    Receipt.FORGED: 400,
    Receipt.LATER: 503,  # the processor delivers it again
}


@blueprint.post("/webhooks/<name>")
@csrf.exempt
def receive(name: str) -> ResponseReturnValue:
    processor = services().processors.get(name) or abort(404)
    receipt = receive_event(make_context(), processor, request.get_data(), dict(request.headers))
    services().wake()
    return f"{receipt}\n", STATUSES[receipt], {"Content-Type": "text/plain; charset=utf-8"}
