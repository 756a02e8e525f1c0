"""Close an account: settle its balance, and end what could charge, hold or add money (V4).

Its people can still sign in and read. The records stay.
"""

from dataclasses import replace

from sqlalchemy import select

from webapp.actions.payment_methods.remove_method import take_off
from webapp.actions.top_ups.apply_settings import save_settings
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.accounts.state_change import WORDS, StateChange
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import AccountClosed
from webapp.domain.events.api_keys import ApiKeyRevoked
from webapp.domain.events.payments import BalanceCredited, BalanceDebited
from webapp.domain.events.users import InvitationRevoked
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payments import adjustments
from webapp.domain.payments.payment import NOTE_LENGTH, Payment, PaymentState
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.top_ups.top_up import TopUpState
from webapp.domain.usage.holds import Hold, HoldState
from webapp.domain.users import invitations
from webapp.domain.users.invitations import InvitationState
from webapp.domain.webhooks import payloads
from webapp.domain.wires import wire as wires


def close(ctx: Context, account: Account, change: StateChange, reason: str) -> None:
    """Close a locked account in the caller's transaction.

    Raises `Conflict` while a payment or wire transfer is open, or `Invalid` unless the change says
    what happens to the balance.
    """
    require_settled(ctx, account)
    change.require_balance(account)
    _release_holds(ctx, account)
    _end_refills(ctx, account)
    _settle_balance(ctx, account, change, reason)
    for method in payment_methods.listed(ctx.session, account.id):
        take_off(ctx, method)
    for key in api_keys.of_account(ctx, account.id):
        key.revoke(ctx.now)
        events.record(ctx, account.id, ApiKeyRevoked(key.hint, key.name))
    for invitation in invitations.listed(ctx.session, account.id):
        invitation.state = InvitationState.REVOKED
        events.record(ctx, account.id, InvitationRevoked(invitation.email))
    account.state = AccountState.CLOSED
    events.record(ctx, account.id, AccountClosed.at(ctx, account, reason))


def settle_again(ctx: Context, account: Account, change: StateChange) -> None:
    """Settle the balance of a locked account that is closed, if the change says how.

    Money can come after closing: a refund, or a dispute's end (L7). Raises `Invalid` without a
    reason or for the balance.
    """
    if account.balance and change.balance is not None:
        change.require_balance(account)
        _settle_balance(ctx, account, change, change.checked_reason())


def require_settled(ctx: Context, account: Account) -> None:
    """Raise `Conflict` while a payment or wire transfer is open."""
    open_payment = select(Payment).where(
        Payment.account_id == account.id, Payment.state == PaymentState.OPEN
    )
    if (payment := ctx.session.scalar(open_payment.limit(1))) is not None:
        ctx.session.rollback()
        raise Conflict(
            f"{payment.reference} is in progress. Close the account when it is settled.",
            code="payment_open",
        )
    if (wire := wires.first_open(ctx.session, account.id)) is not None:
        ctx.session.rollback()
        raise Conflict(
            f"The wire transfer {wire.reference} is open. Complete or reject it first.",
            code="wire_open",
        )


def _release_holds(ctx: Context, account: Account) -> None:
    open_ = select(Hold).where(Hold.account_id == account.id, Hold.state == HoldState.OPEN)
    for hold in ctx.session.scalars(open_):
        hold.end(account, HoldState.RELEASED, ctx.now)


def _end_refills(ctx: Context, account: Account) -> None:
    if (top_up := top_ups.open_top_up(ctx.session, account.id)) is not None:
        top_up.close(TopUpState.DROPPED, ctx.now)
    settings = LowBalanceSettings.of(ctx.session, account.id)
    off = replace(settings.chosen(), refill_on=False, notification_on=False)
    if off != settings.chosen():
        save_settings(ctx, account, settings, off)


def _settle_balance(ctx: Context, account: Account, change: StateChange, reason: str) -> None:
    amount = -account.balance
    if not amount or change.balance is None:
        return
    words = WORDS[change.balance]
    note = f"{words}: {reason}"[:NOTE_LENGTH] if reason else words
    payment = adjustments.post(ctx, account, amount, note)
    event = (
        BalanceCredited.about(account, payment, reason=note)
        if amount > 0
        else BalanceDebited(amount, note, payment.id)
    )
    events.record(ctx, account.id, event)
    payloads.balance(ctx, account)
