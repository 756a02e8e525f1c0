"""Apply changes made at the processor to saved methods; consent is unchanged (M3, M13)."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.top_ups.check_balance import check_balance
from webapp.database.transactions import begin_writing
from webapp.domain.accounts import decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.decisions import Code
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.policy import Policy
from webapp.ports import MethodGone, Saved


def method_updated(
    session: Session,
    processor: str,
    saved: Saved,
    now: datetime,
    policy: Policy,
    keep: Callable[[], None],
) -> None:
    """Apply a card renewal by the bank: the new number and expiry.

    `keep` adds writes to the transaction.
    """
    if (found := _locked(session, processor, saved.reference)) is not None:
        account, method = found
        before = _appearance(method)
        method.refresh(saved)
        if not _is_taken(session, method, saved.fingerprint):
            method.fingerprint = saved.fingerprint
        if _appearance(method) != before:
            expiry = f", and expires {method.expiry}" if method.expiry else ""
            line = f"The bank renewed {before[0]}: it is now {method.label}{expiry}."
            decisions.record(session, account.id, Code.METHOD_UPDATED, line, now)
            check_balance(session, account, "method renewed", now, policy)
    keep()
    session.commit()


def method_gone(
    session: Session,
    processor: str,
    event: MethodGone,
    now: datetime,
    policy: Policy,
    keep: Callable[[], None],
) -> None:
    """Mark a method as gone. Methods removed here are no longer listed, so their events match none.

    `keep` adds writes to the transaction.
    """
    if (found := _locked(session, processor, event.method_reference)) is not None:
        account, method = found
        if mark_gone(session, method, event, now):
            check_balance(session, account, "method gone", now, policy, routine=True)
    keep()
    session.commit()


def mark_gone(session: Session, method: PaymentMethod, event: MethodGone, now: datetime) -> bool:
    """Mark the method as gone, on a locked account.

    Returns False if it is marked already or was added again meanwhile.
    """
    if method.processor_reference != event.method_reference or not method.mark_removed(
        min(event.at, now)
    ):
        return False
    line = (
        f"{method.label} can no longer be charged: it was removed at the processor, or its "
        "agreement was cancelled there. It is skipped until it is added again."
    )
    decisions.record(session, method.account_id, Code.METHOD_GONE, line, now)
    return True


def _locked(
    session: Session, processor: str, reference: str
) -> tuple[Account, PaymentMethod] | None:
    """The method, read under its account's lock, or None.

    Either way a write transaction is open afterwards.
    """
    method = payment_methods.with_reference(session, processor, reference)
    if method is None:
        begin_writing(session)
        return None
    account = Account.locked(session, method.account_id)
    again = payment_methods.with_reference(session, processor, reference)
    return None if again is None else (account, again)


def _appearance(method: PaymentMethod) -> tuple[str, str, bool]:
    return method.label, method.expiry, method.is_gone


def _is_taken(session: Session, method: PaymentMethod, fingerprint: str) -> bool:
    """M8: one listed card per fingerprint; the renewed card may have been added already."""
    others = payment_methods.listed(session, method.account_id)
    return any(other is not method and other.fingerprint == fingerprint for other in others)
