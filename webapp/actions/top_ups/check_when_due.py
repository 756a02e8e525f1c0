"""Check accounts for which a deadline has passed (T4): the end of a suspension, of a limit's window
or of the hour between two notifications. The sweep is the safety net.
"""

from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from webapp.actions.batch import run_each
from webapp.actions.payment_methods.lift_suspensions import lift_suspensions
from webapp.actions.top_ups.check_balance import check_balance
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.payment_method import suspension_has_ended
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.settings import LowBalanceSettings


def is_anything_due(session: Session, now: datetime) -> bool:
    """Whether any deadline has passed: one query over two partial indexes, run in every poll."""
    check = exists().where(LowBalanceSettings.check_again_at <= now)
    return bool(session.scalar(select(or_(exists().where(suspension_has_ended(now)), check))))


def check_when_due(session: Session, now: datetime, policy: Policy) -> int:
    """Return how many suspensions ended and accounts were checked."""
    lifted = lift_suspensions(session, now, policy)
    due = session.scalars(
        select(LowBalanceSettings.account_id).where(LowBalanceSettings.check_again_at <= now)
    ).all()

    def check(account_id: int) -> bool:
        account = Account.locked(session, account_id)
        settings = LowBalanceSettings.of(session, account_id)
        settings.check_again_at = None  # the check sets the next time
        check_balance(session, account, "time has passed", now, policy, routine=True)
        session.commit()
        return True

    return lifted + run_each(session, due, check, "account due for a check")
