"""Payments for programs, each with its attempts."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.domain.payment_methods.declines import code_for_customer, reason
from webapp.domain.payments.payment import Attempt, AttemptState, Payment, PaymentKind, PaymentState
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.money import decimal_text
from webapp.reads.records.pages import page_of
from webapp.reads.records.record import (
    Amount,
    Currency,
    Id,
    Instant,
    NextCursor,
    Open,
    Record,
)


class AttemptRecord(Record):
    """One request to a processor, with one method."""

    id: Id
    payment_method: int | None = Field(description="The id of the payment method.")
    method_name: str = Field(
        description="The name of the payment method, such as `Visa •••• 4242`."
    )
    state: Open[AttemptState] = Field(
        description="`started`, `unknown`, `refused` and `challenged` may still take money."
    )
    reason: str = Field(description="Decline reason in plain words.")
    decline_code: str | None = Field(
        description="Decline code for programs, such as `insufficient_funds`; null unless the "
        "attempt was declined. Lost, stolen and suspected cards are `call_issuer`."
    )
    started_at: Instant = Field(description="When the attempt started.")
    answered_at: Instant | None = Field(description="When the processor answered; null before.")


class PaymentRecord(Record):
    """A payment of one amount, with one or more attempts."""

    id: Id
    reference: str = Field(description="Reference shown to people: `P-000012`.")
    kind: Open[PaymentKind] = Field(description="Why the payment was made.")
    state: Open[PaymentState] = Field(description="`open`: the outcome is unknown.")
    amount: Amount
    currency: Currency
    note: str = Field(description="Reason of an adjustment.")
    created_at: Instant = Field(description="When the payment was created.")
    settled_at: Instant | None = Field(description="When the outcome was settled; null before.")
    attempts: tuple[AttemptRecord, ...] = Field(description="Oldest first; at most one is paid.")


class PaymentPage(Record):
    """A page of payments, newest first."""

    payments: tuple[PaymentRecord, ...] = Field(description="The payments on this page.")
    next_cursor: NextCursor


@dataclass(frozen=True)
class PaymentFilter:
    state: PaymentState | None = None
    kind: PaymentKind | None = None
    since: datetime | None = None
    until: datetime | None = None


_WHOLE = selectinload(Payment.attempts).joinedload(Attempt.method)


def read_payments(
    ctx: Context, account_id: int, only: PaymentFilter, before: int | None, limit: int
) -> PaymentPage:
    query = select(Payment).where(Payment.account_id == account_id).options(_WHOLE)
    if only.state is not None:
        query = query.where(Payment.state == only.state)
    if only.kind is not None:
        query = query.where(Payment.kind == only.kind)
    if only.since is not None:
        query = query.where(Payment.created_at >= only.since)
    if only.until is not None:
        query = query.where(Payment.created_at < only.until)
    shown, cursor = page_of(ctx, query, Payment.id, before, limit)
    records = tuple(payment_record(payment) for payment in shown)
    return PaymentPage(payments=records, next_cursor=cursor)


def find_payment(ctx: Context, account_id: int, payment_id: int) -> Payment:
    """Raises `NotFound`."""
    query = select(Payment).where(Payment.id == payment_id, Payment.account_id == account_id)
    payment = ctx.session.scalar(query.options(_WHOLE))
    if payment is None:
        raise NotFound("That payment")
    return payment


def declined(payment: Payment) -> list[Attempt]:
    """Return the declined attempts, which a Retry can repeat."""
    return [attempt for attempt in payment.attempts if attempt.state == AttemptState.DECLINED]


def payment_record(payment: Payment) -> PaymentRecord:
    return PaymentRecord(
        id=payment.id,
        reference=payment.reference,
        kind=PaymentKind(payment.kind),
        state=PaymentState(payment.state),
        amount=decimal_text(payment.amount),
        currency=payment.currency,
        note=payment.note,
        created_at=payment.created_at,
        settled_at=payment.settled_at,
        attempts=tuple(_attempt(attempt) for attempt in payment.attempts),
    )


def _attempt(attempt: Attempt) -> AttemptRecord:
    declined = attempt.state == AttemptState.DECLINED
    return AttemptRecord(
        id=attempt.id,
        payment_method=attempt.method_id,
        method_name=attempt.method.label if attempt.method else "",
        state=AttemptState(attempt.state),
        reason=reason(attempt.decline_code).sentence if declined else "",
        decline_code=code_for_customer(attempt.decline_code) if declined else None,
        started_at=attempt.started_at,
        answered_at=attempt.answered_at,
    )
