"""Check accounts for which a deadline has passed (T4): the end of a suspension, of a limit's window
or of the hour between two notifications. The sweep is the safety net.
"""

from sqlalchemy import exists, or_, select

from webapp.actions.batch import run_each
from webapp.actions.payment_methods.lift_suspensions import lift_suspensions
from webapp.actions.top_ups.check_balance import check_balance
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.payment_method import suspension_has_ended
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.settings import LowBalanceSettings


def is_anything_due(ctx: Context) -> bool:
    """Whether any deadline has passed: one query over two partial indexes, run in every poll."""
    check = exists().where(LowBalanceSettings.check_again_at <= ctx.now)
    return bool(
        ctx.session.scalar(select(or_(exists().where(suspension_has_ended(ctx.now)), check)))
    )


def check_when_due(ctx: Context) -> int:
    """Return how many suspensions ended and accounts were checked."""
    lifted = lift_suspensions(ctx)
    due = ctx.session.scalars(
        select(LowBalanceSettings.account_id).where(LowBalanceSettings.check_again_at <= ctx.now)
    ).all()

    def check(account_id: int) -> bool:
        account = Account.locked(ctx.session, account_id)
        settings = LowBalanceSettings.of(ctx.session, account_id)
        settings.check_again_at = None  # the check sets the next time
        check_balance(ctx, account, "time has passed", routine=True)
        ctx.session.commit()
        return True

    return lifted + run_each(ctx.session, due, check, "account due for a check")
