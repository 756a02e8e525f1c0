"""What webhooks send of an event, and the events of a balance that crosses a threshold."""

from json import dumps

from webapp.domain.accounts.account import Account
from webapp.domain.events import kinds
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import BalanceLow, BalanceRecovered
from webapp.domain.events.rows import EventRow
from webapp.domain.shared.context import Context


def message_id(event: EventRow) -> str:
    """Return the id that is the same in all deliveries, so that receivers can ignore repeats."""
    return f"evt_{event.id:012}"


def payload(event: EventRow) -> dict[str, object]:
    return {
        "type": event.webhook,
        "id": message_id(event),
        "timestamp": event.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "account": event.account_id,
        "data": kinds.data(event),
    }


def body(event: EventRow) -> bytes:
    """Return the exact bytes that are signed and sent."""
    return dumps(payload(event), ensure_ascii=False, separators=(",", ":")).encode()


def balance(ctx: Context, account: Account) -> None:
    """Record once that the balance of a locked account fell below the highest threshold that is
    on, and once that it is back.
    """
    if not account.has_webhooks or account.is_low == account.low_balance_announced:
        return
    account.low_balance_announced = account.is_low
    kind = BalanceLow if account.is_low else BalanceRecovered
    events.record(ctx, account.id, kind(account.balance, account.currency))
