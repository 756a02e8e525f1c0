"""Add a card or link PayPal (M6, M11).

If the bank or PayPal has to ask the customer first, only a `MethodSetup` is stored;
`finish_setup` adds the method to the list once the customer has confirmed.
"""

import logging
from dataclasses import dataclass

from webapp.actions.payment_methods.save_method import refuse_if_closed, save_method
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import MethodRefused
from webapp.domain.payment_methods import method_setups
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.method_setups import MethodSetup, SetupState
from webapp.domain.payment_methods.payment_method import MethodKind, PaymentMethod
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Refusal
from webapp.ports import (
    Declined,
    NeedsCustomer,
    Processor,
    Saved,
    SavedAgreement,
    SavedCard,
    SavingAnswer,
    WrongAccount,
)

log = logging.getLogger(__name__)

NOT_SAVED = "The payment method could not be saved. Please try again."
NOT_OFFERED = "PayPal is not offered on this account. Ask your provider to allow it."
OTHER_ACCOUNT = (
    "This form was opened for another account, so nothing was saved. Open the form again and "
    "enter your own payment method."
)
NOT_REACHED = "PayPal could not be reached. Nothing was saved; please try again."


@dataclass(frozen=True)
class Promise:
    """The effects of saving that the form announced; see `save_method`."""

    consent: bool | None
    confirmed: int | None


@dataclass(frozen=True)
class Asked:
    """A setup that the customer has to confirm at `address` before the method is listed."""

    setup_id: int
    address: str


def add_card(
    ctx: Context,
    account_id: int,
    token: str,
    processor: Processor,
    *,
    return_to: str = "",
    consent: bool | None = None,
    confirmed: int | None = None,
) -> PaymentMethod | Asked:
    """Save the card behind a capture form's token.

    Raises `Refusal` with the bank's reason, or `Denied` if the account is closed.

    For `consent` and `confirmed` see `save_method`.
    """
    promise = Promise(consent, confirmed)
    ctx.session.get_one(Account, account_id).require_not_closed()
    ctx.session.rollback()  # no transaction is open during the call
    answer = processor.save_card(account_id, token, return_to)
    if isinstance(answer, NeedsCustomer):
        kind = MethodKind.CARD
        return _ask(ctx.later(), account_id, kind, processor, answer, promise)
    ctx = ctx.later()
    if isinstance(answer, WrongAccount):
        Account.locked(ctx.session, account_id)
        record_wrong_account(ctx, account_id, processor.name, answer)
        ctx.session.commit()
    saved = saved_or_refuse(answer)
    account = Account.locked(ctx.session, account_id)
    refuse_if_closed(ctx, account, saved, processor.name)
    method = save_method(ctx, account, saved, processor.name, consent, confirmed=confirmed)
    ctx.session.commit()
    return method


def link_paypal(
    ctx: Context,
    account_id: int,
    processor: Processor,
    *,
    return_to: str,
    consent: bool | None = None,
    confirmed: int | None = None,
) -> Asked:
    """Start a PayPal agreement. Raises `Refusal` if the operator has not allowed PayPal (M11)."""
    account = ctx.session.get_one(Account, account_id)
    account.require_not_closed()
    if not account.paypal_allowed:
        raise Refusal(NOT_OFFERED, code="paypal_not_offered")
    ctx.session.rollback()  # no transaction is open during the call
    answer = processor.link(account_id, return_to)
    if not isinstance(answer, NeedsCustomer):
        raise Refusal(NOT_REACHED, code="not_saved")
    kind = MethodKind.PAYPAL
    promise = Promise(consent, confirmed)
    return _ask(ctx.later(), account_id, kind, processor, answer, promise)


def saved_or_refuse(answer: SavingAnswer) -> Saved:
    """Return the saved method. Raises `Refusal` with a plain sentence for any other answer."""
    if isinstance(answer, Declined):
        why = reason(answer.code)
        raise Refusal(f"{why.sentence}. {why.advice}", code="card_declined")
    if isinstance(answer, WrongAccount):
        raise Refusal(OTHER_ACCOUNT, code="wrong_account")
    if not isinstance(answer, (SavedCard, SavedAgreement)):
        raise Refusal(NOT_SAVED, code="not_saved")
    return answer


def record_wrong_account(
    ctx: Context, account_id: int, processor: str, answer: WrongAccount
) -> None:
    """M14: nothing is saved. Only the operator's log names the other account."""
    log.warning("account %s was refused a method by %s: %s", account_id, processor, answer.reason)
    events.record(ctx, account_id, MethodRefused(processor))


def _ask(
    ctx: Context,
    account_id: int,
    kind: MethodKind,
    processor: Processor,
    answer: NeedsCustomer,
    promise: Promise,
) -> Asked:
    """Store the setup, so that its outcome can be queried and it can be cancelled (F9)."""
    Account.locked(ctx.session, account_id)
    known = method_setups.with_reference(ctx.session, account_id, answer.reference)
    if known is not None:
        asked = Asked(known.id, answer.address)
        ctx.session.rollback()  # the form was submitted twice
        return asked
    setup = MethodSetup(
        account_id=account_id,
        user_id=ctx.actor.user_id,
        kind=kind,
        processor=processor.name,
        reference=answer.reference,
        consent=promise.consent,
        confirmed=promise.confirmed,
        state=SetupState.OPEN,
        started_at=ctx.now,
    )
    ctx.session.add(setup)
    ctx.session.flush()
    asked = Asked(setup.id, answer.address)
    ctx.session.commit()
    return asked
