"""Add a saved method to the account's list, or refresh the listed one (M4, M8).

Called on a locked account; the caller commits.
"""

from sqlalchemy import select

from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due, hold_refill
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import (
    AutoChargeSwitched,
    MethodAdded,
    MethodEvent,
    MethodRefreshed,
)
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods import revocations
from webapp.domain.payment_methods.payment_method import MethodKind, PaymentMethod
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.ports import Saved, SavedCard


def save_method(
    ctx: Context,
    account: Account,
    saved: Saved,
    processor: str,
    consent: bool | None,
    *,
    confirmed: int | None = None,
) -> PaymentMethod:
    """Save the method, then check the balance (T4).

    `consent`: the customer's choice for auto-charge; None applies the defaults of M3 and M4 (M12).
    If more would be charged at once than was `confirmed` on the form, the method is saved and the
    refill is held back: the processor has saved the method already, so it is too late to ask (T18).
    """
    confirmed = confirmed_or_due(ctx, account, confirmed)
    method = _with_fingerprint(ctx, account.id, saved.fingerprint, removed=False)
    if method is not None:
        # M12: adding a suspended or blocked method again does not unblock it.
        if method.processor_reference != saved.reference:
            old = method.processor_reference
            revocations.ask(ctx, account.id, method.processor, old)
        method.refresh(saved)
        event: type[MethodEvent] = MethodRefreshed
    else:
        method = _add(ctx, account.id, saved, processor)
        event = MethodAdded
    is_switched = consent is not None and consent != method.auto_charge
    if consent is not None and is_switched:
        method.consent(consent, ctx.now)
    events.record(ctx, account.id, event.about(method))
    if consent is not None and is_switched:
        events.record(ctx, account.id, AutoChargeSwitched.about(method, on=consent))
    try:
        check_balance(ctx, account, "method added", confirmed=confirmed)
    except ChargeUnconfirmed as unconfirmed:
        why = (
            f"{method.label} was saved. {account.show(unconfirmed.charge.amount)} was not charged, "
            "because the form did not show that amount. The next usage or change starts the refill."
        )
        hold_refill(ctx, account, why)
    return method


def refuse_if_closed(ctx: Context, account: Account, saved: Saved, processor: str) -> None:
    """Revoke what the processor has saved for an account that is closed, and commit (V4).

    Raises `Denied` for a closed account.
    """
    if account.is_closed:
        revocations.ask(ctx, account.id, processor, saved.reference)
        ctx.session.commit()
    account.require_not_closed()


def _add(ctx: Context, account_id: int, saved: Saved, processor: str) -> PaymentMethod:
    """Append a method to the list. An account's first one starts with auto-charge on (M4)."""
    last = payment_methods.last_position(ctx.session, account_id)
    method = PaymentMethod(
        account_id=account_id,
        kind=MethodKind.CARD if isinstance(saved, SavedCard) else MethodKind.PAYPAL,
        processor=processor,
        fingerprint=saved.fingerprint,
        position=last + 1,
        auto_charge=last == 0,
        auto_charge_changed_at=ctx.now,
        declines_in_a_row=0,
        created_at=ctx.now,
    )
    method.refresh(saved)
    removed = _with_fingerprint(ctx, account_id, saved.fingerprint, removed=True)
    if removed is not None:
        method.take_over_failures(removed)
    ctx.session.add(method)
    # The event names the method's id.
    ctx.session.flush()
    return method


def _with_fingerprint(
    ctx: Context, account_id: int, fingerprint: str, *, removed: bool
) -> PaymentMethod | None:
    """The listed method with this fingerprint, or the last removed one."""
    is_removed = PaymentMethod.removed_at.is_not(None)
    return ctx.session.scalar(
        select(PaymentMethod)
        .where(
            PaymentMethod.account_id == account_id,
            PaymentMethod.fingerprint == fingerprint,
            is_removed if removed else ~is_removed,
        )
        .order_by(PaymentMethod.id.desc())
        .limit(1)
    )
