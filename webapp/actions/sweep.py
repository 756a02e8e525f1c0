"""The safety net: find accounts below their threshold that nobody is looking after (T4)."""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from webapp.actions.look import look
from webapp.domain.accounts import Account
from webapp.domain.low_balance import LowBalanceSettings, falls_below
from webapp.domain.policy import Policy
from webapp.domain.top_ups import TopUp, TopUpState


def sweep(session: Session, now: datetime, policy: Policy) -> int:
    """Look at each such account. How many top-ups that opened."""
    has_open = exists().where(TopUp.account_id == Account.id, TopUp.state == TopUpState.OPEN)
    due = session.scalars(
        select(Account.id)
        .join(LowBalanceSettings, LowBalanceSettings.account_id == Account.id)
        .where(
            LowBalanceSettings.refill_on,
            falls_below(Account.balance, LowBalanceSettings.threshold),
            ~has_open,
        )
    ).all()
    opened = 0
    for account_id in due:
        account = Account.locked(session, account_id)
        opened += look(session, account, "sweep", now, policy, routine=True) is not None
        session.commit()
    return opened
