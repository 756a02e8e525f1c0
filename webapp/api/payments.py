"""Payments: list, read, Add Funds by auto-charge, and Retry."""

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
from webapp.api.http.blueprint import api_blueprint
from webapp.api.http.idempotency import repeatable, request_key
from webapp.api.http.queries import Dated
from webapp.api.openapi import schemas
from webapp.api.openapi.fields import Cents, Id
from webapp.api.openapi.operations import Group, Link, operation
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.payments.payment import AttemptState, Payment, PaymentKind, PaymentState
from webapp.domain.shared.errors import Conflict
from webapp.extensions import make_context, services
from webapp.reads.records import payments
from webapp.reads.records.payments import PaymentFilter, PaymentPage, PaymentRecord

blueprint = api_blueprint("payments")

NOT_KNOWN = "The outcome is pending, or the bank requires authentication. Read the payment again."


@dataclass(frozen=True)
class PaymentQuery(Dated):
    """Filters of the payment list."""

    state: PaymentState | None = None
    """Only payments in this state."""
    kind: PaymentKind | None = None
    """Only payments of this kind."""


@dataclass(frozen=True)
class NewPayment:
    """Add funds: charge the methods with auto-charge on, in order, until one succeeds."""

    amount: Cents
    """An amount between your provider's minimum and maximum."""


@dataclass(frozen=True)
class NewRetry:
    """A retry of a failed payment."""

    attempt: Id | None = None
    """The declined attempt to retry. Default: the payment's last declined attempt."""


@dataclass(frozen=True)
class PaymentAnswer(PaymentRecord):
    """A payment and, if required, the URL of its authentication."""

    authentication_url: str | None
    """A page where a signed-in person authenticates the payment; null unless the bank requires
    it."""


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
    """List payments with their attempts, newest first, optionally filtered."""
    client = permit(Scope.BILLING_READ)
    sent = schemas.read_query(PaymentQuery, request.args)
    only = PaymentFilter(sent.state, sent.kind, sent.since, sent.until)
    found = payments.read_payments(make_context(), client.account_id, only, sent.cursor, sent.limit)
    return answer(found)


@blueprint.get("/payments/<int:payment_id>")
@operation(
    "Read a payment", Group.PAYMENTS, Scope.BILLING_READ, answer=PaymentAnswer, has_etag=True
)
def read_payment(payment_id: int) -> ResponseReturnValue:
    """Read a payment with its attempts."""
    client = permit(Scope.BILLING_READ)
    return _respond(payments.find_payment(make_context(), client.account_id, payment_id))


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
    """Check `state` in the response: `paid`, or `failed` if every method was declined. The status
    is 202 while the outcome is pending.
    """
    client = permit(Scope.BILLING_WRITE)
    sent = schemas.read(NewPayment, bodies.read_json())
    payment = pay_by_auto_charge(
        make_context(client.actor), client.account_id, sent.amount, (request_key() or token_hex(16))
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
    """Charge the same amount to the same method, as a new payment. If it succeeds, the method's
    suspension ends.
    """
    client = permit(Scope.BILLING_WRITE)
    sent = schemas.read(NewRetry, bodies.read_json()) if bodies.is_sent() else NewRetry()
    account_id = client.account_id
    attempt_id = _declined(account_id, payment_id, sent.attempt)
    key = request_key() or token_hex(16)
    return_to = url_for("challenges.payment_returned", key=key)
    payment = retry(make_context(client.actor), account_id, attempt_id, key, return_to=return_to)
    services().wake()
    return _made(payment)


def _declined(account_id: int, payment_id: int, attempt_id: int | None) -> int:
    """The declined attempt to retry. Raises `NotFound` or `Conflict`."""
    payment = payments.find_payment(make_context(), account_id, payment_id)
    declined = [it.id for it in payments.declined(payment)]
    if (attempt_id is not None and attempt_id not in declined) or not declined:
        raise Conflict("Only a failed payment can be retried.", code="not_failed")
    return attempt_id or declined[-1]


def _made(payment: Payment) -> Response:
    status = 202 if payment.state == PaymentState.OPEN else 201
    response = _respond(payment, status)
    response.headers["Location"] = url_for("api_v1_payments.read_payment", payment_id=payment.id)
    return response


def _respond(payment: Payment, status: int = 200) -> Response:
    record = payments.payment_record(payment)
    url = _authentication_url(payment)
    return answer(PaymentAnswer(**vars(record), authentication_url=url), status)


def _authentication_url(payment: Payment) -> str | None:
    # Adjustments have no attempts.
    last = payment.attempts[-1] if payment.attempts else None
    if last is None or last.state != AttemptState.CHALLENGED:
        return None
    attempt_id, processor = last.id, last.processor
    address = challenge_address(make_context(), payment)
    if address and services().processors[processor].front.question:
        # This processor's challenge is data for its script, not a URL: link to our page instead.
        address = url_for("challenges.question", attempt_id=attempt_id)
    return urljoin(services().settings.base_url, address) if address else None
