"""Change the amount or the expiry of an open hold (T12)."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Hold


def change_hold(
    session: Session,
    account_id: int,
    reference: str,
    amount: int | None,
    lasts: timedelta | None,
    now: datetime,
) -> Hold:
    """Set `amount` (micros) and the remaining time `lasts`; None leaves a value unchanged.

    Raises `NotFound`, or `Conflict` if the hold has ended.
    """
    account = Account.locked(session, account_id)
    hold = holds.find(session, account_id, reference)
    holds.require_open(hold, now)
    if amount is not None:
        holds.require_countable(session, account, amount - hold.amount, now)
        hold.amount = amount
    if lasts is not None:
        hold.expires_at = now + lasts
    session.commit()
    return hold
