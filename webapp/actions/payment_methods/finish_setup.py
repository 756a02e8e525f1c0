"""Finish a setup after the customer's confirmation: list the method or say why not (M6, F9)."""

from webapp.actions.batch import ShouldContinue, always, run_each
from webapp.actions.payment_methods.add_method import record_wrong_account, saved_or_refuse
from webapp.actions.payment_methods.save_method import refuse_if_closed, save_method
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods import method_setups
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.method_setups import MethodSetup, SetupState
from webapp.domain.payment_methods.payment_method import MethodKind, PaymentMethod
from webapp.domain.shared.context import SYSTEM, Actor, Context
from webapp.domain.shared.errors import Refusal
from webapp.domain.users.user import User
from webapp.ports import (
    Cancelled,
    Declined,
    NeedsCustomer,
    RequestRejected,
    SavingAnswer,
    Unknown,
    WrongAccount,
)


def finish_setup(ctx: Context, account_id: int, setup_id: int) -> PaymentMethod | None:
    """Return the listed method, or None while the customer has not answered yet.

    Raises `NotFound`, or `Refusal` if the setup failed or was abandoned; then nothing is saved.
    """
    setup = method_setups.find(ctx.session, account_id, setup_id)
    if setup.state != SetupState.OPEN:
        return _outcome(ctx, setup)
    processor, reference = ctx.processors[setup.processor], setup.reference
    ctx.session.rollback()  # no transaction is open during the call
    answer = processor.saving(account_id, reference)
    if isinstance(answer, NeedsCustomer):
        return None
    return _end(ctx.later(), account_id, setup_id, answer)


def give_up_setup(ctx: Context, account_id: int, setup_id: int) -> None:
    """Cancel the setup at the processor. If it has succeeded already, the method is listed."""
    setup = method_setups.find(ctx.session, account_id, setup_id)
    if setup.state != SetupState.OPEN:
        return
    processor, reference = ctx.processors[setup.processor], setup.reference
    started_at = setup.started_at
    ctx.session.rollback()  # no transaction is open during the call
    answer = processor.cancel_saving(account_id, reference)
    ctx = ctx.later()
    unanswered = isinstance(answer, (Unknown, RequestRejected))
    if unanswered and ctx.now - started_at > method_setups.FORGOTTEN:
        answer = Cancelled(ctx.now)  # the processor no longer knows it
    try:
        _end(ctx, account_id, setup_id, answer)
    except Refusal:
        ctx.session.rollback()  # an inconclusive answer is queried again by the next run


def expire_setups(ctx: Context, should_continue: ShouldContinue = always) -> int:
    """F9: cancel setups open for more than 15 minutes. Returns how many were processed."""
    due = [setup.id for setup in method_setups.overdue(ctx.later())]
    ctx.session.rollback()

    def give_up(setup_id: int) -> bool:
        setup = ctx.session.get_one(MethodSetup, setup_id)
        actor = _initiator(ctx, setup)
        give_up_setup(ctx.by(actor), setup.account_id, setup_id)
        return True

    return run_each(ctx.session, due, give_up, "setup", should_continue)


def _initiator(ctx: Context, setup: MethodSetup) -> Actor:
    """The user who started the setup: a method listed now is added in their name (P2)."""
    user = ctx.session.get(User, setup.user_id) if setup.user_id else None
    return Actor(user.id, user.name) if user else SYSTEM


def _end(ctx: Context, account_id: int, setup_id: int, answer: SavingAnswer) -> PaymentMethod:
    """Record the outcome under the account's lock, so that two concurrent returns from the bank
    list one method.
    """
    account = Account.locked(ctx.session, account_id)
    setup = ctx.session.get_one(MethodSetup, setup_id, populate_existing=True)
    if setup.state != SetupState.OPEN:
        return _outcome(ctx, setup)
    if isinstance(answer, (Declined, Cancelled)):
        failed = isinstance(answer, Declined)
        setup.end(SetupState.FAILED if failed else SetupState.ABANDONED, ctx.now)
        ctx.session.commit()
        return _outcome(ctx, setup)
    if isinstance(answer, WrongAccount):
        record_wrong_account(ctx, account_id, setup.processor, answer)
        setup.end(SetupState.FAILED, ctx.now)
        ctx.session.commit()
    saved = saved_or_refuse(answer)
    if account.is_closed:
        setup.end(SetupState.ABANDONED, ctx.now)
    refuse_if_closed(ctx, account, saved, setup.processor)
    method = save_method(
        ctx, account, saved, setup.processor, setup.consent, confirmed=setup.confirmed
    )
    setup.end(SetupState.SAVED, ctx.now)
    setup.method_id = method.id
    ctx.session.commit()
    return method


def _outcome(ctx: Context, setup: MethodSetup) -> PaymentMethod:
    if setup.state == SetupState.SAVED and setup.method_id is not None:
        return payment_methods.find(ctx.session, setup.account_id, setup.method_id)
    if setup.kind == MethodKind.PAYPAL:
        why = "PayPal was not linked: the agreement was not approved. Nothing was saved."
    elif setup.state == SetupState.FAILED:
        why = "Your bank did not confirm the card. Nothing was saved. You can try again."
    else:
        why = "Your bank's confirmation was not completed. Nothing was saved."
    raise Refusal(why, code=f"setup_{setup.state}")
