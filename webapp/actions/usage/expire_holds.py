"""Record expired holds. They hold nothing from their expiry on, recorded or not (T12)."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.actions.batch import run_each
from webapp.domain.accounts.account import Account
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Hold, HoldState


def expire_holds(session: Session, now: datetime) -> int:
    """Return how many holds were recorded as expired."""
    due = session.execute(select(Hold.account_id, Hold.reference).where(holds.expired(now))).all()
    session.rollback()

    def expire(one: tuple[int, str]) -> bool:
        account_id, reference = one
        account = Account.locked(session, account_id)
        hold = holds.find(session, account_id, reference)
        has_expired = hold.state == HoldState.OPEN and hold.standing(now) is HoldState.EXPIRED
        if has_expired:
            hold.end(account, HoldState.EXPIRED, now)
        session.commit()
        return has_expired

    return run_each(session, [(row.account_id, row.reference) for row in due], expire, "hold")
