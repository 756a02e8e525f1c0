"""Safety net: find accounts below their threshold that have no open top-up (T4)."""

from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from webapp.actions.batch import run_each
from webapp.actions.top_ups.check_balance import check_balance, notify_if_low
from webapp.domain.accounts.account import Account
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.settings import MAIL_INTERVAL, LowBalanceSettings, falls_below
from webapp.domain.top_ups.top_up import TopUp, TopUpState


def sweep(session: Session, now: datetime, policy: Policy) -> int:
    """Check each such account. Returns how many top-ups were opened."""
    has_open = exists().where(TopUp.account_id == Account.id, TopUp.state == TopUpState.OPEN)
    due = session.scalars(
        select(Account.id)
        .join(LowBalanceSettings, LowBalanceSettings.account_id == Account.id)
        .where(
            falls_below(Account.balance, Account.alert_threshold),
            LowBalanceSettings.refill_on,
            falls_below(Account.balance, LowBalanceSettings.threshold),
            ~has_open,
        )
    ).all()

    def check(account_id: int) -> bool:
        account = Account.locked(session, account_id)
        opened = check_balance(session, account, "sweep", now, policy, routine=True) is not None
        session.commit()
        return opened

    return run_each(session, due, check, "account below the threshold")


def sweep_notifications(session: Session, now: datetime, policy: Policy) -> int:
    """N5: send notifications held back for an hour after another one, if still needed."""
    waiting = session.scalars(
        select(Account.id)
        .join(LowBalanceSettings, LowBalanceSettings.account_id == Account.id)
        .where(
            falls_below(Account.balance, Account.alert_threshold),
            LowBalanceSettings.notification_on,
            or_(
                LowBalanceSettings.notified_at <= now - MAIL_INTERVAL,
                LowBalanceSettings.notified_at >= now + MAIL_INTERVAL,
            ),
            falls_below(Account.balance, LowBalanceSettings.armed_below),
        )
    ).all()

    def notify(account_id: int) -> bool:
        notify_if_low(session, Account.locked(session, account_id), now, policy)
        session.commit()
        return True

    return run_each(session, waiting, notify, "account to notify")
