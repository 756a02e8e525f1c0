"""Release a hold without usage (T12)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Hold, HoldState


def release_hold(session: Session, account_id: int, reference: str, now: datetime) -> Hold:
    """Release the hold; a hold that has ended is unchanged. Raises `NotFound`."""
    account = Account.locked(session, account_id)
    hold = holds.find(session, account_id, reference)
    if hold.state == HoldState.OPEN:
        expired = hold.standing(now) is HoldState.EXPIRED
        hold.end(account, HoldState.EXPIRED if expired else HoldState.RELEASED, now)
    session.commit()
    return hold
