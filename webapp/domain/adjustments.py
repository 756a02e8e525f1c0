"""Money that an operator puts on an account or takes off, with a reason.

A credit names a payment like any other (L2), so an adjustment is a payment that was paid the
moment it was written, by no processor.
"""

from datetime import datetime
from secrets import token_hex

from sqlalchemy.orm import Session

from webapp.domain import ledger
from webapp.domain.accounts import Account
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.payments import Attempt, AttemptState, Payment, PaymentKind, PaymentState

BY_HAND = "operator"


def post(session: Session, account: Account, amount: int, reason: str, now: datetime) -> Payment:
    """Credit (or, below zero, debit) a locked account by `amount` micros."""
    payment = Payment(
        account_id=account.id,
        kind=PaymentKind.ADJUSTMENT,
        state=PaymentState.PAID,
        amount=amount,
        currency=account.currency,
        note=reason,
        created_at=now,
        settled_at=now,
    )
    attempt = Attempt(
        payment=payment,
        account_id=account.id,
        processor=BY_HAND,
        key=f"adjustment-{token_hex(16)}",
        amount=amount,
        currency=account.currency,
        state=AttemptState.PAID,
        started_at=now,
        answered_at=now,
    )
    session.add_all([payment, attempt])
    session.flush()
    entry = LedgerEntry(
        kind=EntryKind.ADJUSTMENT,
        amount=amount,
        description=reason,
        attempt_id=attempt.id,
        occurred_at=now,
        posted_at=now,
    )
    ledger.append(session, account, [entry])
    return payment
