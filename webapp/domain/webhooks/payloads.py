"""What webhooks send of an event, and the events of a balance that crosses a threshold."""

from json import dumps

from sqlalchemy.orm import Session

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
from webapp.domain.webhooks import provider_events
from webapp.domain.webhooks.endpoint import Delivery


def message_id(event: EventRow) -> str:
    """Return the id that is the same in all deliveries, so that receivers can ignore repeats."""
    return f"evt_{event.id:012}"


def payload(event: EventRow) -> dict[str, object]:
    """Return the payload for a customer's endpoint."""
    return _head(event) | {"account": event.account_id, "data": kinds.data(event)}


def provider_payload(
    event: EventRow, sequence: int | None, external_id: str | None
) -> dict[str, object]:
    """Return the payload for the provider (V7). `external_id`: of the event's account."""
    account = {"id": event.account_id, "external_id": external_id}
    return _head(event) | {
        "sequence": sequence,
        "account": account if event.account_id is not None else None,
        "data": kinds.provider_data(event),
    }


def payload_of(session: Session, delivery: Delivery) -> dict[str, object]:
    """Return the payload of a delivery."""
    event = delivery.event
    if delivery.endpoint.account_id is not None:
        return payload(event)
    account = session.get(Account, event.account_id) if event.account_id is not None else None
    sequence = provider_events.sequence_of(session, event.id)
    return provider_payload(event, sequence, account.external_id if account else None)


def body(session: Session, delivery: Delivery) -> bytes:
    """Return the exact bytes that are signed and sent."""
    payload = payload_of(session, delivery)
    return dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def _head(event: EventRow) -> dict[str, object]:
    return {"type": event.webhook, "id": message_id(event), "timestamp": instant_text(event.at)}


def balance(ctx: Context, account: Account) -> None:
    """Record each crossing of a locked account's balance once, in the transaction that moved it or
    changed the limit: of the highest threshold that is on, and of minus the credit limit (V7).
    """
    if account.is_low != account.low_balance_announced:
        account.low_balance_announced = account.is_low
        low = BalanceLow if account.is_low else BalanceRecovered
        events.record(ctx, account.id, low(account.balance, account.currency))
    is_exhausted = exhausts(account.balance, account.credit_limit)
    if is_exhausted != account.is_exhausted:
        account.is_exhausted = is_exhausted
        crossing = BalanceExhausted if is_exhausted else BalanceRestored
        events.record(ctx, account.id, crossing.about(account))
