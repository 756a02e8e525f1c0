"""The last failed payments, with Retry or the payment that covered them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, select
from sqlalchemy.orm import aliased

from webapp.database.statements import select_columns
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import (
    KIND_NAMES,
    Attempt,
    AttemptState,
    Payment,
    PaymentKind,
    reference_of,
)
from webapp.domain.payments.queries import covered_later
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.users.user import User

SHOWN = 3


@dataclass(frozen=True)
class FailedPayment:
    attempt_id: int
    payment_id: int
    method_id: int | None
    reference: str
    """ "P-000012": links to the payment's page (E2)."""
    amount: str
    method: str
    brand: str
    reason: str
    """ "Insufficient funds"."""
    detail: str
    """ "Today, 10:02 · Add Funds by Ana Ruiz", "Thu 5 Nov, 03:17 · Automatic refill"."""
    paid_by: str
    """ "Paid by Mastercard •••• 4444", shown instead of Retry if another method paid."""
    covered_by: str
    """ "P-000007": a later payment covers it, so Retry is only in the row's menu (F4)."""
    covering_id: int | None
    can_retry: bool


_paid = aliased(Attempt)
# Paid by the next method of the same payment, or by a Retry.
_PAID_INSTEAD = func.coalesce(
    select(_paid.method_id)
    .where(_paid.payment_id == Attempt.payment_id, _paid.state == AttemptState.PAID)
    .scalar_subquery(),
    select(_paid.method_id)
    .where(
        _paid.retry_of_id == func.coalesce(Attempt.retry_of_id, Attempt.id),
        _paid.state == AttemptState.PAID,
    )
    .order_by(_paid.id)
    .limit(1)
    .scalar_subquery(),
)
_DECLINED = (
    select(
        Attempt.id,
        Attempt.payment_id,
        Attempt.method_id,
        Attempt.amount,
        Attempt.decline_code,
        func.coalesce(Attempt.declined_at, Attempt.started_at).label("declined_at"),
        Payment.kind,
        User.name,
        _PAID_INSTEAD.label("paid_instead"),
    )
    .select_from(Attempt)
    .join(Payment, Payment.id == Attempt.payment_id)
    .outerjoin(User, User.id == Payment.requested_by_id)
    .where(Attempt.account_id == bindparam("account_id"), Attempt.state == AttemptState.DECLINED)
    .order_by(Attempt.id.desc())
    .limit(bindparam("limit"))
)


def read_failed_payments(
    ctx: Context, account: Account, limit: int = SHOWN
) -> tuple[FailedPayment, ...]:
    found = select_columns(ctx.session, _DECLINED, {"account_id": account.id, "limit": limit}).all()
    open_needs = {row.id: (row.payment_id, row.amount) for row in found if not row.paid_instead}
    covered = covered_later(ctx.session, account.id, open_needs)
    return tuple(_failed(ctx, account, row, covered.get(row.id)) for row in found)


def _failed(
    ctx: Context, account: Account, row: Row[*tuple[Any, ...]], covering_id: int | None
) -> FailedPayment:
    # Usually already loaded with the list of methods.
    method, paid_instead = (
        ctx.session.get(PaymentMethod, method_id) if method_id else None
        for method_id in (row.method_id, row.paid_instead)
    )
    when = datetimes.since(row.declined_at, account.time_zone, ctx.now)
    asked = KIND_NAMES[PaymentKind(row.kind)] + (f" by {row.name}" if row.name else "")
    return FailedPayment(
        attempt_id=row.id,
        payment_id=row.payment_id,
        method_id=row.method_id,
        reference=reference_of(row.payment_id),
        amount=account.show(row.amount),
        method=method.label if method else "",
        brand=method.chip if method else "",
        reason=reason(row.decline_code).sentence,
        detail=f"{when} · {asked}",
        paid_by=f"Paid by {paid_instead.label}" if paid_instead else "",
        covered_by=reference_of(covering_id) if covering_id else "",
        covering_id=covering_id,
        can_retry=not paid_instead and method is not None and method.can_be_paid_with,
    )
