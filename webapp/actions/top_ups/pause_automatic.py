"""Pause an account's automatic refills as an operator; only an operator can resume them."""

from webapp.actions.payment_methods.withdrawals import record_withdrawal
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.top_ups import AutomaticPaused
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.settings import LowBalanceSettings, PausedBy


def pause_automatic(ctx: Context, account_id: int, reason: str) -> None:
    """Pause and commit. An open charge still finishes.

    Raises `NotFound`, or `Invalid` without a reason.
    """
    reason = texts.reason(reason)
    account = Account.locked(ctx.session, account_id)
    pause_account(ctx, account, reason)
    ctx.session.commit()


def pause_account(ctx: Context, account: Account, reason: str) -> None:
    """Pause a locked account in the caller's transaction."""
    settings = LowBalanceSettings.of(ctx.session, account.id)
    if settings.paused_by == PausedBy.OPERATOR:
        return
    settings.pause(PausedBy.OPERATOR, ctx.now)
    events.record(ctx, account.id, AutomaticPaused(reason))
    record_withdrawal(ctx, account, "Automatic refills were paused")
