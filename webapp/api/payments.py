"""Payments: list, read, Add Funds by auto-charge, and Retry."""

from urllib.parse import urljoin

from flask import url_for
from pydantic import Field

from webapp.actions.payments.challenges import challenge_address
from webapp.actions.payments.pay import retry
from webapp.actions.payments.pay_by_auto_charge import pay_by_auto_charge
from webapp.api.http.answers import Answer
from webapp.api.http.authentication import ApiClient
from webapp.api.http.idempotency import request_key
from webapp.api.http.problems import ProblemDetails
from webapp.api.http.queries import Absent, Dated
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import Body, Cents, Id
from webapp.api.openapi.operations import Group, Link
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.payments.payment import AttemptState, Payment, PaymentKind, PaymentState
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, PaymentDeclined
from webapp.extensions import services
from webapp.reads.records import payments
from webapp.reads.records.payments import PaymentFilter, PaymentPage, PaymentRecord

UNKNOWN = {202: "The outcome is pending, or the bank requires authentication. Read it again."}
LINKS = {
    "payment": Link("read_payment", "payment_id", "/id"),
    "retry": Link("retry_payment", "payment_id", "/id"),
}


class PaymentQuery(Dated):
    """Filters of the payment list."""

    state: PaymentState | Absent = Field(None, description="Only payments in this state.")
    kind: PaymentKind | Absent = Field(None, description="Only payments of this kind.")


class NewPayment(Body):
    """Add funds: charge the methods with auto-charge on, in order, until one succeeds."""

    amount: Cents = Field(description="An amount between your provider's minimum and maximum.")


class NewRetry(Body):
    """A retry of a failed payment."""

    attempt: Id | None = Field(
        None,
        description="The declined attempt to retry. Default: the payment's last declined attempt.",
    )


class PaymentAnswer(PaymentRecord):
    """A payment and, if required, the URL of its authentication."""

    authentication_url: str | None = Field(
        description="A page where a signed-in person authenticates the payment; null unless the "
        "bank requires it."
    )


class PaymentProblem(ProblemDetails):
    """A payment that was not made, or was declined."""

    decline_code: str | None = Field(
        None,
        description="With `payment_declined`: the last decline code, such as `insufficient_funds`; "
        "null if no method was declined, for example because nobody authenticated the payment.",
    )
    payment: PaymentAnswer | None = Field(
        None, description="With `payment_declined`: the failed payment with its attempts."
    )


resource = Resource("payments", Group.PAYMENTS)


@resource.get(
    "/payments",
    "List payments",
    Scope.BILLING_READ,
    links={"first": Link("read_payment", "payment_id", "/payments/0/id")},
)
def list_payments(ctx: Context, client: ApiClient, query: PaymentQuery) -> PaymentPage:
    """List payments with their attempts, newest first, optionally filtered."""
    only = PaymentFilter(query.state, query.kind, query.since, query.until)
    return payments.read_payments(ctx, client.account_id, only, query.cursor, query.limit)


@resource.get("/payments/<int:payment_id>", "Read a payment", Scope.BILLING_READ)
def read_payment(ctx: Context, client: ApiClient, payment_id: int) -> PaymentAnswer:
    """Read a payment with its attempts."""
    return _record(ctx, payments.find_payment(ctx, client.account_id, payment_id))


@resource.post(
    "/payments",
    "Add funds",
    Scope.BILLING_WRITE,
    status=201,
    also=UNKNOWN,
    examples={"hundred": {"amount": "100.00"}},
    problem=PaymentProblem,
    problems=("payment_declined", "no_method_with_auto_charge", "payment_key_used", "just_paid"),
    requires_key=True,
    links=LINKS,
)
def create_payment(ctx: Context, client: ApiClient, body: NewPayment) -> Answer[PaymentAnswer]:
    """Charge the methods with auto-charge on, in order. 201: paid. 202: the outcome is pending. 402
    `payment_declined`: every method was declined. A repeat with the same `Idempotency-Key` gets the
    same response, 402 included, and charges nothing.
    """
    return _made(ctx, pay_by_auto_charge(ctx, client.account_id, body.amount, request_key()))


@resource.post(
    "/payments/<int:payment_id>/retries",
    "Retry a payment",
    Scope.BILLING_WRITE,
    status=201,
    also=UNKNOWN,
    examples={"last": {}, "one": {"attempt": 17}},
    problem=PaymentProblem,
    problems=(
        "payment_declined", "not_failed", "already_paid", "payment_open", "payment_key_used",
        "just_paid",
    ),
    requires_key=True,
    links=LINKS,
)  # fmt: skip
def retry_payment(
    ctx: Context, client: ApiClient, payment_id: int, body: NewRetry | None = None
) -> Answer[PaymentAnswer]:
    """Charge the same amount to the same method, as a new payment. If it succeeds, the method's
    suspension ends. The statuses are those of adding funds.
    """
    asked = body.attempt if body is not None else None
    attempt_id = _declined(ctx, client.account_id, payment_id, asked)
    key = request_key()
    return_to = url_for("challenges.payment_returned", key=key)
    return _made(ctx, retry(ctx, client.account_id, attempt_id, key, return_to=return_to))


def _declined(ctx: Context, account_id: int, payment_id: int, attempt_id: int | None) -> int:
    """The declined attempt to retry. Raises `NotFound` or `Conflict`."""
    payment = payments.find_payment(ctx, account_id, payment_id)
    declined = [it.id for it in payments.declined(payment)]
    if (attempt_id is not None and attempt_id not in declined) or not declined:
        raise Conflict("Only a failed payment can be retried.", code="not_failed")
    return attempt_id or declined[-1]


def _made(ctx: Context, payment: Payment) -> Answer[PaymentAnswer]:
    """Raises `PaymentDeclined` if nothing was paid."""
    services().wake()
    if payment.state in (PaymentState.FAILED, PaymentState.ABANDONED):
        raise _not_paid(_record(ctx, payment))
    location = url_for("api_v1_payments.read_payment", payment_id=payment.id)
    status = 202 if payment.state == PaymentState.OPEN else 201
    return Answer(_record(ctx, payment), status, location=location)


def _not_paid(record: PaymentAnswer) -> PaymentDeclined:
    last = next((it for it in reversed(record.attempts) if it.decline_code), None)
    why = f"{last.method_name}: {last.reason}" if last else "No method was charged"
    facts = {
        "decline_code": last.decline_code if last else None,
        "payment": record.model_dump(mode="json"),
    }
    return PaymentDeclined(f"The payment {record.reference} was not paid. {why}.", facts)


def _record(ctx: Context, payment: Payment) -> PaymentAnswer:
    record = payments.payment_record(payment)
    return PaymentAnswer(**vars(record), authentication_url=_authentication_url(ctx, payment))


def _authentication_url(ctx: Context, payment: Payment) -> str | None:
    # Adjustments have no attempts.
    last = payment.attempts[-1] if payment.attempts else None
    if last is None or last.state != AttemptState.CHALLENGED:
        return None
    attempt_id, processor = last.id, last.processor
    address = challenge_address(ctx, payment)
    if address and ctx.processors[processor].front.question:
        # This processor's challenge is data for its script, not a URL: link to our page instead.
        address = url_for("challenges.question", attempt_id=attempt_id)
    return urljoin(services().settings.base_url, address) if address else None
