"""Webhook endpoints and deliveries for programs."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks.endpoint import Delivery, DeliveryState, Ended, Endpoint
from webapp.reads.records.pages import page_of


@dataclass(frozen=True)
class EndpointRecord:
    """Where events go. The secret that signs is told when it is made, and never again."""

    id: int
    url: str
    name: str
    events: tuple[str, ...]
    on: bool
    ended: Ended | None
    """Why it gets nothing: switched off `by_hand`, after `failing` for days, or as it is `gone`."""
    failing_since: datetime | None
    """The first failure since the last success."""
    created_at: datetime


@dataclass(frozen=True)
class EndpointList:
    webhook_endpoints: tuple[EndpointRecord, ...]


@dataclass(frozen=True)
class DeliveryRecord:
    """One event on its way to one endpoint."""

    id: int
    event: str
    message_id: str
    """The `webhook-id` of its requests."""
    state: DeliveryState
    """`owed`: it goes out at `next_try_at`."""
    tries: int
    status: int | None
    """Of the last answer."""
    trouble: str
    """Why there was none, or what it said."""
    created_at: datetime
    last_try_at: datetime | None
    next_try_at: datetime | None


@dataclass(frozen=True)
class DeliveryPage:
    """The newest first."""

    deliveries: tuple[DeliveryRecord, ...]
    next_cursor: str | None


def read_endpoints(session: Session, account_id: int) -> EndpointList:
    found = webhooks.of_account(session, account_id)
    return EndpointList(tuple(endpoint_record(one) for one in found))


def read_endpoint(session: Session, account_id: int, endpoint_id: int) -> EndpointRecord:
    """Raises `NotFound`."""
    return endpoint_record(webhooks.find(session, account_id, endpoint_id))


def read_deliveries(
    session: Session, account_id: int, endpoint_id: int, before: int | None, limit: int
) -> DeliveryPage:
    """Raises `NotFound`."""
    webhooks.find(session, account_id, endpoint_id)
    query = select(Delivery).where(Delivery.endpoint_id == endpoint_id)
    query = query.options(joinedload(Delivery.event))
    shown, cursor = page_of(session, query, Delivery.id, before, limit)
    return DeliveryPage(tuple(delivery_record(one) for one in shown), cursor)


def endpoint_record(it: Endpoint) -> EndpointRecord:
    return EndpointRecord(
        id=it.id,
        url=it.url,
        name=it.name,
        events=tuple(it.events),
        on=it.is_on,
        ended=Ended(it.ended) if it.ended else None,
        failing_since=it.failing_since,
        created_at=it.created_at,
    )


def delivery_record(it: Delivery) -> DeliveryRecord:
    return DeliveryRecord(
        id=it.id,
        event=str(it.event.kind),
        message_id=it.event.message_id,
        state=DeliveryState(it.state),
        tries=it.tries,
        status=it.status,
        trouble=it.trouble,
        created_at=it.created_at,
        last_try_at=it.last_try_at,
        next_try_at=it.next_try_at,
    )
