"""Suspend, resume, close and reopen an account (V4)."""

from webapp.actions.accounts.close_account import close, settle_again
from webapp.actions.payment_methods.withdrawals import record_withdrawal
from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts import erasure as erasures
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.accounts.state_change import StateChange
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import AccountReactivated, AccountSuspended
from webapp.domain.events.rows import latest_of
from webapp.domain.shared.context import Context


def change_state(ctx: Context, account_id: int, change: StateChange) -> Account:
    """Change the state and commit.

    The same state again changes nothing, with two exceptions: another reason of a suspension is
    recorded and told, and closing a closed account with a balance settles money that came
    afterwards (a refund, a won dispute).

    Raises `NotFound`, `Invalid` without a reason or for the balance, `Denied` if the account is
    closed, `Conflict` while money is on its way, or `ChargeUnconfirmed` like `check_balance`.
    """
    account = Account.locked(ctx.session, account_id)
    apply_state(ctx, account, change)
    ctx.session.commit()
    return account


def apply_state(ctx: Context, account: Account, change: StateChange) -> None:
    """Change the state of a locked account in the caller's transaction."""
    if change.state == account.state:
        if account.is_closed:
            settle_again(ctx, account, change)
        else:
            _record_other_reason(ctx, account, change)
        return
    if not change.reopens:
        account.require_not_closed()
    erasures.require_not_erased(ctx.session, account.id)
    reason = change.checked_reason()
    if change.state is AccountState.CLOSED:
        close(ctx, account, change, reason)
        return
    before, account.state = account.state, change.state
    if change.state is AccountState.SUSPENDED:
        events.record(ctx, account.id, AccountSuspended.at(ctx, account, reason))
        record_withdrawal(ctx, account, "The account was suspended")
        return
    confirmed = confirmed_or_due(ctx, account, change.confirmed)
    event = AccountReactivated.at(ctx, account, reason, before=before)
    events.record(ctx, account.id, event)
    check_balance(ctx, account, "suspension ended", confirmed=confirmed)


def _record_other_reason(ctx: Context, account: Account, change: StateChange) -> None:
    """Record a further suspension of a suspended account if it states another reason."""
    if account.state != AccountState.SUSPENDED or change.reason is None:
        return
    reason = change.checked_reason()
    last = latest_of(ctx.session, account.id, AccountSuspended.event_kind)
    if last is None or last.facts.get("reason") != reason:
        events.record(ctx, account.id, AccountSuspended.at(ctx, account, reason))
