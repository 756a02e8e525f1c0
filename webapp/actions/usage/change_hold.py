"""A running call turns out dearer or cheaper, or longer, than was expected (T12)."""

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
    """`amount` in micros, `lasts` from now; None leaves it as it is.

    Raises `NotFound`, or `Conflict` where it is over.
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
