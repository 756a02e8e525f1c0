"""What webhooks send of an event, and the events of a balance that crosses a threshold."""

from json import dumps

from webapp.domain.accounts.account import Account, exhausts
from webapp.domain.events import kinds
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import (
    BalanceExhausted,
    BalanceLow,
    BalanceRecovered,
    BalanceRestored,
)
from webapp.domain.events.rows import EventRow
from webapp.domain.shared.context import Context
from webapp.domain.shared.datetimes import instant_text


def message_id(event: EventRow) -> str:
    """Return the id that is the same in all deliveries, so that receivers can ignore repeats."""
    return f"evt_{event.id:012}"


def payload(event: EventRow) -> dict[str, object]:
    return {
        "type": event.webhook,
        "id": message_id(event),
        "timestamp": instant_text(event.at),
        "account": event.account_id,
        "data": kinds.data(event),
    }


def body(event: EventRow) -> bytes:
    """Return the exact bytes that are signed and sent."""
    return dumps(payload(event), ensure_ascii=False, separators=(",", ":")).encode()


def balance(ctx: Context, account: Account) -> None:
    """Record each crossing of a locked account's balance once, in the transaction that moved it or
    changed the limit: of the highest threshold that is on, and of minus the credit limit (V7).
    """
    if account.has_webhooks and account.is_low != account.low_balance_announced:
        account.low_balance_announced = account.is_low
        low = BalanceLow if account.is_low else BalanceRecovered
        events.record(ctx, account.id, low(account.balance, account.currency))
    is_exhausted = exhausts(account.balance, account.credit_limit)
    if is_exhausted != account.is_exhausted:
        account.is_exhausted = is_exhausted
        crossing = BalanceExhausted if is_exhausted else BalanceRestored
        events.record(ctx, account.id, crossing.about(account))
