"""Record suspensions that have ended, and check their accounts' balances again (F1, F6)."""

from sqlalchemy import select

from webapp.actions.batch import run_each
from webapp.actions.top_ups.check_balance import check_balance
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import SuspensionEnded
from webapp.domain.payment_methods.payment_method import PaymentMethod, suspension_has_ended
from webapp.domain.shared.context import Context


def lift_suspensions(ctx: Context) -> int:
    """Return how many suspensions were recorded as ended.

    Whether a method is suspended is computed from stored times and does not depend on this job.
    """
    due = ctx.session.execute(
        select(PaymentMethod.id, PaymentMethod.account_id).where(suspension_has_ended(ctx.now))
    ).all()

    def lift(method: tuple[int, int]) -> bool:
        method_id, account_id = method
        return _lift(ctx, account_id, method_id)

    return run_each(ctx.session, [(row.id, row.account_id) for row in due], lift, "suspension")


def _lift(ctx: Context, account_id: int, method_id: int) -> bool:
    account = Account.locked(ctx.session, account_id)
    method = ctx.session.get_one(PaymentMethod, method_id, populate_existing=True)
    ended = method.record_suspension_ended(ctx.now)
    if ended and method.is_chargeable(ctx.now):
        events.record(ctx, account_id, SuspensionEnded.about(method))
        check_balance(ctx, account, "suspension ended")
    ctx.session.commit()
    return ended
