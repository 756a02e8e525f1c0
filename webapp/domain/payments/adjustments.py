"""Money that moves without a processor: what an operator puts on an account or takes off, with a
reason, and what has come by wire.

A credit names a payment like any other (L2), so each of them is a payment that was paid the moment
it was written.
"""

from datetime import datetime
from secrets import token_hex

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain import ledger
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import Entry, EntryKind
from webapp.domain.payments.payment import (
    Attempt,
    AttemptState,
    Payment,
    PaymentKind,
    PaymentState,
)
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.webhooks import payloads

BY_HAND = "operator"


def post(
    session: Session,
    account: Account,
    amount: int,
    reason: str,
    now: datetime,
    request_key: str = "",
) -> Payment:
    """Credit (or, below zero, debit) a locked account by `amount` micros."""
    payment = Payment(kind=PaymentKind.ADJUSTMENT, note=reason)
    key = f"adjustment-{request_key or token_hex(16)}"
    return book(session, account, payment, EntryKind.ADJUSTMENT, amount, reason, key, now)


def by_request_key(session: Session, account_id: int, request_key: str) -> Payment | None:
    """What was posted by the form with this key."""
    if not request_key:
        return None
    key = f"adjustment-{request_key}"
    return session.scalar(
        select(Payment).join(Attempt).where(Attempt.account_id == account_id, Attempt.key == key)
    )


def book(
    session: Session,
    account: Account,
    payment: Payment,
    entry_kind: EntryKind,
    amount: int,
    description: str,
    key: str,
    now: datetime,
) -> Payment:
    """Let a new payment be paid at once: its attempt, and the entry that names it.

    `key` says what the money is for; the database takes each key once, so nothing is booked twice.
    """
    payment.account_id = account.id
    payment.state = PaymentState.PAID
    payment.amount = amount
    payment.currency = account.currency
    payment.created_at = payment.settled_at = now
    attempt = Attempt(
        payment=payment,
        account_id=account.id,
        kind=payment.kind,
        processor=BY_HAND,
        key=key,
        amount=amount,
        currency=account.currency,
        state=AttemptState.PAID,
        started_at=now,
        answered_at=now,
    )
    session.add_all([payment, attempt])
    session.flush()
    entry = Entry(
        kind=entry_kind,
        amount=amount,
        description=description,
        attempt_id=attempt.id,
        occurred_at=now,
    )
    ledger.append(session, account, [entry], now)
    if amount > 0:
        top_ups.end_links(session, account, now)
    payloads.payment(session, account, payment, now)
    payloads.balance(session, account, now)
    return payment
