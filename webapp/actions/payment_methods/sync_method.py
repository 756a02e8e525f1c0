"""Apply changes made at the processor to saved methods; consent is unchanged (M3, M13)."""

from collections.abc import Callable

from webapp.actions.top_ups.check_balance import check_balance
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import MethodLost, MethodRenewed
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.context import Context
from webapp.ports import MethodGone, Saved


def method_updated(ctx: Context, processor: str, saved: Saved, keep: Callable[[], None]) -> None:
    """Apply a card renewal by the bank: the new number and expiry.

    `keep` adds writes to the transaction.
    """
    if (found := _locked(ctx, processor, saved.reference)) is not None:
        account, method = found
        before = _appearance(method)
        method.refresh(saved)
        if not _is_taken(ctx, method, saved.fingerprint):
            method.fingerprint = saved.fingerprint
        if _appearance(method) != before:
            event = MethodRenewed.about(method, before=before[0], expiry=method.expiry)
            events.record(ctx, account.id, event)
            check_balance(ctx, account, "method renewed")
    keep()
    ctx.session.commit()


def method_gone(ctx: Context, processor: str, event: MethodGone, keep: Callable[[], None]) -> None:
    """Mark a method as gone. Methods removed here are no longer listed, so their events match none.

    `keep` adds writes to the transaction.
    """
    if (found := _locked(ctx, processor, event.method_reference)) is not None:
        account, method = found
        if mark_gone(ctx, method, event):
            check_balance(ctx, account, "method gone", routine=True)
    keep()
    ctx.session.commit()


def mark_gone(ctx: Context, method: PaymentMethod, event: MethodGone) -> bool:
    """Mark the method as gone, on a locked account.

    Returns False if it is marked already or was added again meanwhile.
    """
    if method.processor_reference != event.method_reference or not method.mark_removed(
        min(event.at, ctx.now)
    ):
        return False
    events.record(ctx, method.account_id, MethodLost.about(method))
    return True


def _locked(ctx: Context, processor: str, reference: str) -> tuple[Account, PaymentMethod] | None:
    """The method, read under its account's lock, or None.

    Either way a write transaction is open afterwards.
    """
    method = payment_methods.with_reference(ctx.session, processor, reference)
    if method is None:
        begin_writing(ctx.session)
        return None
    account = Account.locked(ctx.session, method.account_id)
    again = payment_methods.with_reference(ctx.session, processor, reference)
    return None if again is None else (account, again)


def _appearance(method: PaymentMethod) -> tuple[str, str, bool]:
    return method.label, method.expiry, method.is_gone


def _is_taken(ctx: Context, method: PaymentMethod, fingerprint: str) -> bool:
    """M8: one listed card per fingerprint; the renewed card may have been added already."""
    others = payment_methods.listed(ctx.session, method.account_id)
    return any(other is not method and other.fingerprint == fingerprint for other in others)
