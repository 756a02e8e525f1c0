"""Webhook endpoints and deliveries for programs."""

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.domain.shared.context import Context
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import Delivery, DeliveryState, Ended, Endpoint
from webapp.reads.records.pages import page_of
from webapp.reads.records.record import Id, Instant, NextCursor, Open, Record


class EndpointRecord(Record):
    """A webhook endpoint. Its signing secret is returned only when it is created or rotated."""

    id: Id
    url: str = Field(description="The URL of the webhook endpoint.")
    name: str = Field(description="The name, shown next to the URL.")
    events: tuple[str, ...] = Field(description="The names of the events that are sent.")
    on: bool = Field(description="Whether it is switched on.")
    ended: Open[Ended] | None = Field(
        description="Why it is off: `by_hand`, `failing` for days, or `gone` (it answered 410)."
    )
    failing_since: Instant | None = Field(
        description="Time of the first failure since the last success."
    )
    created_at: Instant = Field(description="When the endpoint was added.")


class EndpointList(Record):
    """The webhook endpoints of an account, or of the provider."""

    webhook_endpoints: tuple[EndpointRecord, ...] = Field(description="All webhook endpoints.")


class DeliveryRecord(Record):
    """The delivery of one event to one endpoint."""

    id: Id
    event: str = Field(description="The name of the event.")
    message_id: str = Field(description="The `webhook-id` of its requests.")
    state: Open[DeliveryState] = Field(description="`owed`: it is sent at `next_try_at`.")
    tries: int = Field(description="The number of delivery attempts.")
    status: int | None = Field(description="HTTP status of the last response.")
    trouble: str = Field(description="Error or response text of the last attempt.")
    created_at: Instant = Field(description="When the event occurred.")
    last_try_at: Instant | None = Field(description="When the last delivery attempt was made.")
    next_try_at: Instant | None = Field(
        description="When the next delivery attempt is due; null if there is none."
    )


class DeliveryPage(Record):
    """A page of deliveries, newest first."""

    deliveries: tuple[DeliveryRecord, ...] = Field(description="The deliveries on this page.")
    next_cursor: NextCursor


def read_endpoints(ctx: Context, account_id: int | None) -> EndpointList:
    found = webhooks.of_owner(ctx.session, account_id)
    return EndpointList(webhook_endpoints=tuple(endpoint_record(one) for one in found))


def read_endpoint(ctx: Context, account_id: int | None, endpoint_id: int) -> EndpointRecord:
    """Raises `NotFound`."""
    return endpoint_record(webhooks.find(ctx.session, account_id, endpoint_id))


def read_deliveries(
    ctx: Context, account_id: int | None, endpoint_id: int, before: int | None, limit: int
) -> DeliveryPage:
    """Raises `NotFound`."""
    webhooks.find(ctx.session, account_id, endpoint_id)
    query = select(Delivery).where(Delivery.endpoint_id == endpoint_id)
    query = query.options(joinedload(Delivery.event))
    shown, cursor = page_of(ctx, query, Delivery.id, before, limit)
    records = tuple(delivery_record(one) for one in shown)
    return DeliveryPage(deliveries=records, next_cursor=cursor)


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
