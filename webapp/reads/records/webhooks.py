"""Webhook endpoints and deliveries for programs."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.domain.shared.context import Context
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import Delivery, DeliveryState, Ended, Endpoint
from webapp.reads.records.pages import page_of


@dataclass(frozen=True)
class EndpointRecord:
    """A webhook endpoint. Its signing secret is returned only when it is created or rotated."""

    id: int
    url: str
    name: str
    events: tuple[str, ...]
    on: bool
    ended: Ended | None
    """Why it is off: `by_hand`, `failing` for days, or `gone` (it answered 410)."""
    failing_since: datetime | None
    """Time of the first failure since the last success."""
    created_at: datetime


@dataclass(frozen=True)
class EndpointList:
    webhook_endpoints: tuple[EndpointRecord, ...]


@dataclass(frozen=True)
class DeliveryRecord:
    """The delivery of one event to one endpoint."""

    id: int
    event: str
    message_id: str
    """The `webhook-id` of its requests."""
    state: DeliveryState
    """`owed`: it is sent at `next_try_at`."""
    tries: int
    status: int | None
    """HTTP status of the last response."""
    trouble: str
    """Error or response text of the last attempt."""
    created_at: datetime
    last_try_at: datetime | None
    next_try_at: datetime | None


@dataclass(frozen=True)
class DeliveryPage:
    """A page of deliveries, newest first."""

    deliveries: tuple[DeliveryRecord, ...]
    next_cursor: str | None


def read_endpoints(ctx: Context, account_id: int) -> EndpointList:
    found = webhooks.of_account(ctx.session, account_id)
    return EndpointList(tuple(endpoint_record(one) for one in found))


def read_endpoint(ctx: Context, account_id: int, endpoint_id: int) -> EndpointRecord:
    """Raises `NotFound`."""
    return endpoint_record(webhooks.find(ctx.session, account_id, endpoint_id))


def read_deliveries(
    ctx: Context, account_id: int, endpoint_id: int, before: int | None, limit: int
) -> DeliveryPage:
    """Raises `NotFound`."""
    webhooks.find(ctx.session, account_id, endpoint_id)
    query = select(Delivery).where(Delivery.endpoint_id == endpoint_id)
    query = query.options(joinedload(Delivery.event))
    shown, cursor = page_of(ctx, query, Delivery.id, before, limit)
    return DeliveryPage(tuple(delivery_record(one) for one in shown), cursor)


def endpoint_record(endpoint: Endpoint) -> EndpointRecord:
    return EndpointRecord(
        id=endpoint.id,
        url=endpoint.url,
        name=endpoint.name,
        events=tuple(endpoint.events),
        on=endpoint.is_on,
        ended=Ended(endpoint.ended) if endpoint.ended else None,
        failing_since=endpoint.failing_since,
        created_at=endpoint.created_at,
    )


def delivery_record(delivery: Delivery) -> DeliveryRecord:
    return DeliveryRecord(
        id=delivery.id,
        event=delivery.event.webhook or "",
        message_id=payloads.message_id(delivery.event),
        state=DeliveryState(delivery.state),
        tries=delivery.tries,
        status=delivery.status,
        trouble=delivery.trouble,
        created_at=delivery.created_at,
        last_try_at=delivery.last_try_at,
        next_try_at=delivery.next_try_at,
    )
