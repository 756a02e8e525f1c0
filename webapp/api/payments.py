"""Payments: the list, one, Add Funds by the chain of methods with auto-charge, and Retry."""

from dataclasses import dataclass
from secrets import token_hex
from urllib.parse import urljoin

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.payments.challenges import challenge_address
from webapp.actions.payments.pay import retry
from webapp.actions.payments.pay_by_auto_charge import pay_by_auto_charge
from webapp.api.http import bodies
from webapp.api.http.answers import answer
from webapp.api.http.authentication import permit
from webapp.api.http.blueprint import noun
from webapp.api.http.idempotency import repeatable, request_key
from webapp.api.http.queries import Dated
from webapp.api.openapi import schemas
from webapp.api.openapi.fields import Cents, Id
from webapp.api.openapi.operations import Group, Link, operation
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.payments.payment import (
    AttemptState,
    Payment,
    PaymentKind,
    PaymentState,
)
from webapp.domain.shared.errors import Conflict
from webapp.extensions import db, services
from webapp.reads.records import payments
from webapp.reads.records.payments import PaymentFilter, PaymentPage, PaymentRecord

blueprint = noun("payments")

NOT_KNOWN = "The outcome is not known yet, or the bank asks a person: read the payment again."


@dataclass(frozen=True)
class PaymentQuery(Dated):
    state: PaymentState | None = None
    kind: PaymentKind | None = None


@dataclass(frozen=True)
class NewPayment:
    """Add Funds: charge the methods with auto-charge on, in their order, until one has paid."""

    amount: Cents
    """Within the bounds that your provider has set."""


@dataclass(frozen=True)
class NewRetry:
    attempt: Id | None = None
    """The declined attempt to repeat; the payment's last one, when left out."""


@dataclass(frozen=True)
class PaymentAnswer(PaymentRecord):
    """A payment, and where the bank asks a person about it."""

    authentication_url: str | None
    """To be opened by a person who is signed in; null unless the bank asks."""


LINKS = {
    "payment": Link("read_payment", "payment_id", "/id"),
    "retry": Link("retry_payment", "payment_id", "/id"),
}


@blueprint.get("/payments")
@operation(
    "List payments",
    Group.PAYMENTS,
    Scope.BILLING_READ,
    answer=PaymentPage,
    query=PaymentQuery,
    has_etag=True,
    links={"first": Link("read_payment", "payment_id", "/payments/0/id")},
)
def list_payments() -> ResponseReturnValue:
    machine = permit(Scope.BILLING_READ)
    sent = schemas.read_query(PaymentQuery, request.args)
    only = PaymentFilter(sent.state, sent.kind, sent.since, sent.until)
    found = payments.read_payments(db.session(), machine.account_id, only, sent.cursor, sent.limit)
    return answer(found)


@blueprint.get("/payments/<int:payment_id>")
@operation(
    "Read a payment", Group.PAYMENTS, Scope.BILLING_READ, answer=PaymentAnswer, has_etag=True
)
def read_payment(payment_id: int) -> ResponseReturnValue:
    machine = permit(Scope.BILLING_READ)
    return _told(payments.find_payment(db.session(), machine.account_id, payment_id))


@blueprint.post("/payments")
@operation(
    "Add funds",
    Group.PAYMENTS,
    Scope.BILLING_WRITE,
    status=201,
    answer=PaymentAnswer,
    also={202: (NOT_KNOWN, PaymentAnswer)},
    body=NewPayment,
    examples={"hundred": {"amount": "100.00"}},
    problems=("no_method_with_auto_charge", "form_used", "just_paid"),
    links=LINKS,
)
@repeatable
def create_payment() -> ResponseReturnValue:
    """Look at `state`: `paid`, or `failed` where every method was declined. 202 where that is not
    known yet.
    """
    machine = permit(Scope.BILLING_WRITE)
    sent = schemas.read(NewPayment, bodies.read_json())
    around = (machine.actor, services().processors, services().clock, services().policy)
    payment = pay_by_auto_charge(
        db.session(), machine.account_id, sent.amount, (request_key() or token_hex(16)), *around
    )
    services().wake()
    return _made(payment)


@blueprint.post("/payments/<int:payment_id>/retries")
@operation(
    "Retry a payment",
    Group.PAYMENTS,
    Scope.BILLING_WRITE,
    status=201,
    answer=PaymentAnswer,
    also={202: (NOT_KNOWN, PaymentAnswer)},
    body=NewRetry,
    body_is_optional=True,
    examples={"last": {}, "one": {"attempt": 17}},
    problems=("not_failed", "already_paid", "payment_open", "form_used", "just_paid"),
    links=LINKS,
)
@repeatable
def retry_payment(payment_id: int) -> ResponseReturnValue:
    """The same amount with the same method, as a payment of its own. Success restores it."""
    machine = permit(Scope.BILLING_WRITE)
    sent = schemas.read(NewRetry, bodies.read_json()) if bodies.is_sent() else NewRetry()
    session, account_id = db.session(), machine.account_id
    attempt_id = _declined(account_id, payment_id, sent.attempt)
    key = request_key() or token_hex(16)
    around = (machine.actor, services().processors, services().clock, services().policy)
    return_to = url_for("challenges.payment_returned", key=key)
    payment = retry(session, account_id, attempt_id, key, *around, return_to=return_to)
    services().wake()
    return _made(payment)


def _declined(account_id: int, payment_id: int, attempt_id: int | None) -> int:
    """The attempt to repeat. Raises `NotFound` or `Conflict`."""
    payment = payments.find_payment(db.session(), account_id, payment_id)
    declined = [it.id for it in payments.declined(payment)]
    if (attempt_id is not None and attempt_id not in declined) or not declined:
        raise Conflict("Only a failed payment can be retried.", code="not_failed")
    return attempt_id or declined[-1]


def _made(payment: Payment) -> Response:
    status = 202 if payment.state == PaymentState.OPEN else 201
    response = _told(payment, status)
    response.headers["Location"] = url_for("api_v1_payments.read_payment", payment_id=payment.id)
    return response


def _told(payment: Payment, status: int = 200) -> Response:
    record = payments.payment_record(payment)
    asked = _where_the_bank_asks(payment)
    return answer(PaymentAnswer(**vars(record), authentication_url=asked), status)


def _where_the_bank_asks(payment: Payment) -> str | None:
    last = payment.attempts[-1] if payment.attempts else None
    # No processor has taken an adjustment.
    if last is None or last.state != AttemptState.CHALLENGED:
        return None
    attempt_id, processor = last.id, last.processor
    address = challenge_address(db.session(), payment, services().processors)
    if address and services().processors[processor].front.question:
        # What a script is told is no address.
        address = url_for("challenges.question", attempt_id=attempt_id)
    return urljoin(services().settings.base_url, address) if address else None
