"""Payments: the list, and Retry."""

from secrets import token_hex

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.actions.pay import retry as retry_payment
from webapp.domain.errors import Refusal
from webapp.domain.payments import PaymentState
from webapp.domain.users import Right
from webapp.extensions import db, parts
from webapp.reads.message import Message
from webapp.reads.method_rows import RowMessage
from webapp.reads.payments import Outcome, read_outcome, read_payments
from webapp.reads.retry_dialog import read_retry
from webapp.web import forms
from webapp.web.access import permit
from webapp.web.responses import show, wants_fragment
from webapp.web.screen import changed, refused

blueprint = Blueprint("payments", __name__)


@blueprint.get("/billing/payments")
def index() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    before = request.args.get("before", type=forms.record_id)
    now = parts().clock.now()
    screen = read_payments(db.session(), person.account_id, now, before=before)
    return show(person, "payments/index.html", "payments", screen=screen)


@blueprint.get("/billing/attempts/<int:attempt_id>/retry")
def retry_dialog(attempt_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    now = parts().clock.now()
    dialog = read_retry(db.session(), person.account_id, attempt_id, token_hex(16), now)
    part = "_retry_dialog" if wants_fragment() else "retry"
    return show(person, f"payment_methods/{part}.html", "payment_methods", dialog=dialog)


@blueprint.post("/billing/attempts/<int:attempt_id>/retries")
def retry(attempt_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    key = forms.request_key()
    it = parts()
    try:
        payment = retry_payment(
            db.session(),
            person.account_id,
            attempt_id,
            key,
            person.actor,
            it.processors,
            it.clock,
            it.policy,
        )
    except Refusal as refusal:
        return refused(person, "retry", refusal)
    it.wake()
    outcome = read_outcome(db.session(), payment.id, it.clock.now())
    return changed(person, "retry", said(outcome), messages=under_row(outcome))


def said(outcome: Outcome) -> Message:
    return Message(outcome.sentence, "bad" if outcome.state == PaymentState.FAILED else "ok")


def under_row(outcome: Outcome) -> dict[int, RowMessage]:
    """A decline already shows as the row's own state, and in the message."""
    if outcome.method_id is None or outcome.state != PaymentState.PAID:
        return {}
    return {outcome.method_id: RowMessage(outcome.row, "ok")}
