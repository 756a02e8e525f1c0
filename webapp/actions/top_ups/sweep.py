"""Safety net: find accounts below their threshold that have no open top-up (T4)."""

from sqlalchemy import exists, or_, select

from webapp.actions.batch import run_each
from webapp.actions.top_ups.check_balance import check_balance, notify_if_low
from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.settings import MAIL_INTERVAL, LowBalanceSettings, falls_below
from webapp.domain.top_ups.top_up import TopUp, TopUpState


def sweep(ctx: Context) -> int:
    """Check each such account. Returns how many top-ups were opened."""
    has_open = exists().where(TopUp.account_id == Account.id, TopUp.state == TopUpState.OPEN)
    due = ctx.session.scalars(
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
        account = Account.locked(ctx.session, account_id)
        opened = check_balance(ctx, account, "sweep", routine=True) is not None
        ctx.session.commit()
        return opened

    return run_each(ctx.session, due, check, "account below the threshold")


def sweep_notifications(ctx: Context) -> int:
    """N5: send notifications held back for an hour after another one, if still needed."""
    waiting = ctx.session.scalars(
        select(Account.id)
        .join(LowBalanceSettings, LowBalanceSettings.account_id == Account.id)
        .where(
            falls_below(Account.balance, Account.alert_threshold),
            LowBalanceSettings.notification_on,
            or_(
                LowBalanceSettings.notified_at <= ctx.now - MAIL_INTERVAL,
                LowBalanceSettings.notified_at >= ctx.now + MAIL_INTERVAL,
            ),
            falls_below(Account.balance, LowBalanceSettings.armed_below),
        )
    ).all()

    def notify(account_id: int) -> bool:
        notify_if_low(ctx, Account.locked(ctx.session, account_id))
        ctx.session.commit()
        return True

    return run_each(ctx.session, waiting, notify, "account to notify")
