"""Open a hold for the expected cost of a call or job (T12)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from webapp.domain import ledger
from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Conflict
from webapp.domain.usage import holds
from webapp.domain.usage.holds import LIFE, Hold


@dataclass(frozen=True)
class Opened:
    hold: Hold
    is_new: bool


def open_hold(
    session: Session,
    account_id: int,
    reference: str,
    amount: int,
    now: datetime,
    lasts: timedelta = LIFE,
) -> Opened:
    """Hold `amount` (micros). Idempotent for the same reference and amount.

    Raises `Conflict` if the hold is open with another amount, has ended, or its usage has been
    posted.
    """
    account = Account.locked(session, account_id)
    hold = holds.by_reference(session, account_id, reference)
    if hold is not None:
        session.rollback()
        holds.require_open(hold, now)
        if hold.amount != amount:
            raise Conflict(f"The hold {reference} has another amount. Use PATCH to change it.")
        return Opened(hold, is_new=False)
    if ledger.has_reference(session, account_id, reference):
        raise Conflict(f"The usage of {reference} has already been posted.", code="hold_over")
    holds.require_countable(session, account, amount, now)
    hold = Hold(
        account_id=account_id,
        reference=reference,
        amount=amount,
        opened_at=now,
        expires_at=now + lasts,
    )
    session.add(hold)
    account.open_holds += 1
    session.commit()
    return Opened(hold, is_new=True)
