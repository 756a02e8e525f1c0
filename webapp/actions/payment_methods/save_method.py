"""Add a saved method to the account's list, or refresh the listed one (M4, M8).

Called on a locked account; the caller commits.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due, hold_refill
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods import revocations
from webapp.domain.payment_methods.payment_method import MethodKind, PaymentMethod
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import EventKind
from webapp.ports import Saved, SavedCard


def save_method(
    session: Session,
    account: Account,
    saved: Saved,
    processor: str,
    consent: bool | None,
    actor: Actor,
    now: datetime,
    policy: Policy,
    *,
    confirmed: int | None = None,
) -> PaymentMethod:
    """Save the method, then check the balance (T4).

    `consent`: the customer's choice for auto-charge; None applies the defaults of M3 and M4 (M12).
    If more would be charged at once than was `confirmed` on the form, the method is saved and the
    refill is held back: the processor has saved the method already, so it is too late to ask (T18).
    """
    confirmed = confirmed_or_due(session, account, confirmed, now, policy)
    method = _with_fingerprint(session, account.id, saved.fingerprint, removed=False)
    if method is not None:
        # M12: adding a suspended or blocked method again does not unblock it.
        if method.processor_reference != saved.reference:
            old = method.processor_reference
            revocations.ask(session, account.id, method.processor, old, now)
        method.refresh(saved)
        audit.record(session, account.id, actor, "method_refreshed", now, method=method.label)
    else:
        method = _add(session, account.id, saved, processor, now)
        audit.record(session, account.id, actor, "method_added", now, method=method.label)
        payloads.method(session, account, EventKind.METHOD_ADDED, method, now)
    if consent is not None and consent != method.auto_charge:
        method.consent(consent, now)
        audit.record(
            session, account.id, actor, "auto_charge", now, method=method.label, on=consent
        )
    try:
        check_balance(session, account, "method added", now, policy, confirmed=confirmed)
    except ChargeUnconfirmed as unconfirmed:
        why = (
            f"{method.label} was saved. {account.show(unconfirmed.charge.amount)} was not charged, "
            "because the form did not show that amount. The next usage or change starts the refill."
        )
        hold_refill(session, account, why, now)
    return method


def _add(
    session: Session, account_id: int, saved: Saved, processor: str, now: datetime
) -> PaymentMethod:
    """Append a method to the list. An account's first one starts with auto-charge on (M4)."""
    last = payment_methods.last_position(session, account_id)
    method = PaymentMethod(
        account_id=account_id,
        kind=MethodKind.CARD if isinstance(saved, SavedCard) else MethodKind.PAYPAL,
        processor=processor,
        fingerprint=saved.fingerprint,
        position=last + 1,
        auto_charge=last == 0,
        auto_charge_changed_at=now,
        declines_in_a_row=0,
        created_at=now,
    )
    method.refresh(saved)
    removed = _with_fingerprint(session, account_id, saved.fingerprint, removed=True)
    if removed is not None:
        method.take_over_failures(removed)
    session.add(method)
    return method


def _with_fingerprint(
    session: Session, account_id: int, fingerprint: str, *, removed: bool
) -> PaymentMethod | None:
    """The listed method with this fingerprint, or the last removed one."""
    is_removed = PaymentMethod.removed_at.is_not(None)
    return session.scalar(
        select(PaymentMethod)
        .where(
            PaymentMethod.account_id == account_id,
            PaymentMethod.fingerprint == fingerprint,
            is_removed if removed else ~is_removed,
        )
        .order_by(PaymentMethod.id.desc())
        .limit(1)
    )
