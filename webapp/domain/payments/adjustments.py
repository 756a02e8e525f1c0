"""Payments without a processor: operators' adjustments, completed wires and reversals.

Every credit names a payment attempt (L2), so each of these is a payment that is paid when it is
created.
"""

from secrets import token_hex

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain import ledger
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import Entry, EntryKind
from webapp.domain.payments.payment import Attempt, AttemptState, Payment, PaymentKind, PaymentState
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups

BY_HAND = "operator"


def post(
    ctx: Context, account: Account, amount: int, reason: str, request_key: str = ""
) -> Payment:
    """Credit a locked account by `amount` micros, or debit it by a negative amount."""
    payment = Payment(kind=PaymentKind.ADJUSTMENT, note=reason)
    key = f"adjustment-{request_key or token_hex(16)}"
    return book(ctx, account, payment, EntryKind.ADJUSTMENT, amount, reason, key)


def by_request_key(session: Session, account_id: int, request_key: str) -> Payment | None:
    """Return the adjustment posted with this form key; None if there is none."""
    if not request_key:
        return None
    key = f"adjustment-{request_key}"
    return session.scalar(
        select(Payment).join(Attempt).where(Attempt.account_id == account_id, Attempt.key == key)
    )


def book(
    ctx: Context,
    account: Account,
    payment: Payment,
    entry_kind: EntryKind,
    amount: int,
    description: str,
    key: str,
) -> Payment:
    """Record a payment as paid, with its attempt and ledger entry.

    `key` identifies the booking; it is unique in the database, so nothing is booked twice.
    """
    payment.account_id = account.id
    payment.state = PaymentState.PAID
    payment.amount = amount
    payment.currency = account.currency
    payment.created_at = payment.settled_at = ctx.now
    attempt = Attempt(
        payment=payment,
        account_id=account.id,
        kind=payment.kind,
        processor=BY_HAND,
        key=key,
        amount=amount,
        currency=account.currency,
        state=AttemptState.PAID,
        started_at=ctx.now,
        answered_at=ctx.now,
    )
    ctx.session.add_all([payment, attempt])
    ctx.session.flush()
    entry = Entry(
        kind=entry_kind,
        amount=amount,
        description=description,
        attempt_id=attempt.id,
        occurred_at=ctx.now,
    )
    ledger.append(ctx, account, [entry])
    if amount > 0:
        top_ups.end_links(ctx, account)
    return payment
