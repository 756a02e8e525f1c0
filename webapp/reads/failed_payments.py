"""The last failed payments, each with Retry or with how it was covered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, joinedload

from webapp.domain import moments, payments
from webapp.domain.accounts import Account
from webapp.domain.declines import reason
from webapp.domain.payments import (
    KIND_NAMES,
    Attempt,
    AttemptState,
    Payment,
    PaymentKind,
)
from webapp.domain.users import User

SHOWN = 3


@dataclass(frozen=True)
class FailedPayment:
    attempt_id: int
    payment_id: int
    reference: str
    """ "P-000012": leads to all that is known of it (E2)."""
    amount: str
    method: str
    brand: str
    reason: str
    """ "Insufficient funds"."""
    detail: str
    """ "Today, 10:02 · Add Funds by Ana Ruiz", "Thu 5 Nov, 03:17 · Automatic refill"."""
    paid_by: str
    """ "Paid by Mastercard •••• 4444" instead of Retry, where another method covered it."""
    can_retry: bool


_DECLINED = (
    select(Attempt)
    .where(Attempt.account_id == bindparam("account_id"), Attempt.state == AttemptState.DECLINED)
    .order_by(Attempt.id.desc())
    .limit(bindparam("limit"))
    .options(joinedload(Attempt.payment), joinedload(Attempt.method))
)


def read_failed_payments(
    session: Session, account: Account, now: datetime, limit: int = SHOWN
) -> tuple[FailedPayment, ...]:
    attempts = session.scalars(_DECLINED, {"account_id": account.id, "limit": limit}).all()
    covered = covering_methods(session, attempts)
    return tuple(
        _failed(session, account, attempt, covered.get(attempt.id, ""), now) for attempt in attempts
    )


def _failed(
    session: Session, account: Account, attempt: Attempt, covered_by: str, now: datetime
) -> FailedPayment:
    method = attempt.method
    paid_by = f"Paid by {covered_by}" if covered_by else ""
    when = moments.since(attempt.declined_at or attempt.started_at, account.time_zone, now)
    return FailedPayment(
        attempt_id=attempt.id,
        payment_id=attempt.payment_id,
        reference=attempt.payment.reference,
        amount=account.show(attempt.amount),
        method=method.label if method else "",
        brand=method.chip if method else "",
        reason=reason(attempt.decline_code).sentence,
        detail=f"{when} · {asked_by(session, attempt.payment)}",
        paid_by=paid_by,
        can_retry=not paid_by and method is not None and method.removed_at is None,
    )


def asked_by(session: Session, payment: Payment) -> str:
    """ "Automatic refill", "Add funds by Ana Ruiz"."""
    name = KIND_NAMES[PaymentKind(payment.kind)]
    user = session.get(User, payment.requested_by_id) if payment.requested_by_id else None
    return f"{name} by {user.name}" if user else name


def covering_methods(session: Session, failed: Sequence[Attempt]) -> dict[int, str]:
    """The method that paid instead, by the failed attempt's id."""
    if not failed:
        return {}
    covered = payments.covering(session, failed)
    return {failed_id: paid.method.label for failed_id, paid in covered.items() if paid.method}


def last_failure(session: Session, method_id: int) -> int | None:
    """The failed attempt that Retry on a suspended row repeats (F4)."""
    return session.scalar(
        select(Attempt.id)
        .where(Attempt.method_id == method_id, Attempt.state == AttemptState.DECLINED)
        .order_by(Attempt.id.desc())
        .limit(1)
    )
