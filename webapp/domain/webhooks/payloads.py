"""Payloads of webhook events, one function for each subject.

Each is called in the transaction of its cause, with the account locked, and does nothing if the
account has no endpoint. Amounts are decimal strings, as in the API.
"""

from json import dumps

from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import Payment, PaymentState
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import decimal_text
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks.endpoint import EventKind

OF_STATE = {
    PaymentState.PAID: EventKind.PAYMENT_SUCCEEDED,
    PaymentState.FAILED: EventKind.PAYMENT_FAILED,
    PaymentState.ABANDONED: EventKind.PAYMENT_ABANDONED,
}


def message_id(event: EventRow) -> str:
    """Return the id that is the same in all deliveries, so that receivers can ignore repeats."""
    return f"evt_{event.id:012}"


def payload(event: EventRow) -> dict[str, object]:
    return {
        "type": event.webhook,
        "id": message_id(event),
        "timestamp": event.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "account": event.account_id,
        "data": event.facts["data"],
    }


def body(event: EventRow) -> bytes:
    """Return the exact bytes that are signed and sent."""
    return dumps(payload(event), ensure_ascii=False, separators=(",", ":")).encode()


def balance(ctx: Context, account: Account) -> None:
    """Enqueue one event when the balance falls below the highest threshold that is on, and one
    when it is back.
    """
    if not account.has_webhooks or account.is_low == account.low_balance_announced:
        return
    account.low_balance_announced = account.is_low
    kind = EventKind.BALANCE_LOW if account.is_low else EventKind.BALANCE_RECOVERED
    webhooks.tell(ctx, account, kind, _balance(account))


def payment(ctx: Context, account: Account, it: Payment) -> None:
    """Enqueue the event of a payment's final state."""
    kind = OF_STATE.get(PaymentState(it.state))
    if kind is None or not account.has_webhooks or it.amount <= 0:
        return
    ctx.session.flush()
    tried = it.attempts[-1].method if it.attempts else None
    facts = {
        "payment": it.id,
        "reference": it.reference,
        "kind": it.kind,
        "amount": decimal_text(it.amount),
        "currency": it.currency,
        "payment_method": _method(tried) if tried is not None else None,
        **_balance(account),
    }
    webhooks.tell(ctx, account, kind, facts)
    if it.top_up_id is not None and kind is EventKind.PAYMENT_SUCCEEDED:
        top_up(ctx, account, it.top_up_id, succeeded=True, amount=it.amount)


def top_up(
    ctx: Context, account: Account, top_up_id: int, *, succeeded: bool, amount: int | None = None
) -> None:
    """Enqueue the event of a paid refill, or of one whose methods have all failed."""
    kind = EventKind.TOP_UP_SUCCEEDED if succeeded else EventKind.TOP_UP_FAILED
    charged = decimal_text(amount) if amount is not None else None
    facts = {"top_up": top_up_id, "amount": charged, **_balance(account)}
    webhooks.tell(ctx, account, kind, facts)


def method(ctx: Context, account: Account, kind: EventKind, it: PaymentMethod) -> None:
    if not account.has_webhooks:
        return
    ctx.session.flush()
    webhooks.tell(ctx, account, kind, {"payment_method": _method(it)})


def settings(ctx: Context, account: Account, it: LowBalanceSettings) -> None:
    if not account.has_webhooks:
        return
    # A database trigger updates it from the settings.
    ctx.session.flush()
    ctx.session.refresh(account, ["alert_threshold"])
    facts = {**it.chosen().exact(), "version": it.version}
    webhooks.tell(ctx, account, EventKind.SETTINGS_CHANGED, facts)
    balance(ctx, account)


def _balance(account: Account) -> dict[str, object]:
    return {"balance": decimal_text(account.balance), "balance_currency": account.currency}


def _method(it: PaymentMethod) -> dict[str, object]:
    until = it.suspended_until if it.auto_charge else None
    return {
        "id": it.id,
        "label": it.label,
        "auto_charge": it.auto_charge,
        "expiry": it.expiry or None,
        "suspended_until": until.isoformat(timespec="seconds") if until is not None else None,
    }
