"""Webhook endpoints and their deliveries, for the pages of customers and operators.

`account_id` is None for the provider's endpoints (V7).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from json import dumps

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.domain.accounts.account import Account
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.users.user import Right
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import (
    OF_BALANCE,
    Delivery,
    DeliveryState,
    Ended,
    Endpoint,
    EventKind,
)

PAGE = 50

WORDS = {
    EventKind.BALANCE_LOW: "The balance has fallen below a threshold",
    EventKind.BALANCE_RECOVERED: "The balance is back at or above the threshold",
    EventKind.TOP_UP_SUCCEEDED: "A refill succeeded",
    EventKind.TOP_UP_FAILED: "A refill failed with every method",
    EventKind.PAYMENT_SUCCEEDED: "A payment succeeded",
    EventKind.PAYMENT_FAILED: "A payment failed",
    EventKind.PAYMENT_ABANDONED: "A payment was abandoned",
    EventKind.METHOD_SUSPENDED: "A method was suspended",
    EventKind.METHOD_RESTORED: "A method is back in use",
    EventKind.METHOD_EXPIRING: "A card expires soon",
    EventKind.METHOD_ADDED: "A method was added",
    EventKind.METHOD_REMOVED: "A method was removed",
    EventKind.SETTINGS_CHANGED: "Low Balance Settings were applied",
    EventKind.BALANCE_EXHAUSTED: "The balance, with the credit limit, is used up",
    EventKind.BALANCE_RESTORED: "The balance, with the credit limit, is above zero again",
    EventKind.REFILL_BLOCKED: "A refill is due and nothing can be charged",
    EventKind.USAGE_REJECTED: "Usage was rejected",
    EventKind.USAGE_REVERSED: "Usage was reversed",
    EventKind.ACCOUNT_CREATED: "An account was created",
    EventKind.ACCOUNT_UPDATED: "An account was updated",
    EventKind.ACCOUNT_SUSPENDED: "An account was suspended",
    EventKind.ACCOUNT_CLOSED: "An account was closed",
}

READ_BY_ALL = OF_BALANCE | {EventKind.TEST}

ENDED = {
    Ended.BY_HAND: "Switched off",
    Ended.FAILING: "Switched off after failing for days",
    Ended.GONE: "Switched off: the endpoint answered 410 Gone",
}


@dataclass(frozen=True)
class EndpointRow:
    id: int
    title: str
    """Its name, or else its URL."""
    url: str
    name: str
    events: tuple[str, ...]
    has_all: bool
    is_on: bool
    state: str
    tone: str
    """ "ok", "warn" or "off"."""
    hint: str
    """ "No success since today, 10:02", or why and when it was switched off."""
    several_secrets: str
    """ "Two secrets sign until Mon 23 Nov, 10:00", or empty."""
    rotation_ends_oldest: bool
    """Whether three secrets sign, which is the most."""
    denial: str = ""
    """Why this user may not change it; empty if they may (P5)."""


@dataclass(frozen=True)
class DeliveryRow:
    id: int
    event: str
    message_id: str
    when: str
    state: str
    tone: str
    detail: str
    """ "HTTP 500 after 120 ms: boom"."""
    body: str
    """Indented JSON payload; empty if the user may not read it (P1)."""
    can_resend: bool


@dataclass(frozen=True)
class EndpointScreen:
    endpoint: EndpointRow
    rows: tuple[DeliveryRow, ...]
    older: int | None
    newer: bool


def read_endpoints(ctx: Context, account_id: int | None) -> tuple[EndpointRow, ...]:
    zone = _zone(ctx, account_id)
    return tuple(_row(one, zone, ctx.now) for one in webhooks.of_owner(ctx.session, account_id))


def read_endpoint(ctx: Context, account_id: int | None, endpoint_id: int) -> EndpointRow:
    """Raises `NotFound`."""
    endpoint = webhooks.find(ctx.session, account_id, endpoint_id)
    return _row(endpoint, _zone(ctx, account_id), ctx.now)


def read_deliveries(
    ctx: Context,
    account_id: int | None,
    endpoint_id: int,
    rights: Collection[Right],
    *,
    before: int | None = None,
) -> EndpointScreen:
    """Newest first. Raises `NotFound`."""
    zone = _zone(ctx, account_id)
    endpoint = webhooks.find(ctx.session, account_id, endpoint_id)
    mine = select(Delivery).where(Delivery.endpoint_id == endpoint_id)
    if before is not None:
        mine = mine.where(Delivery.id < before)
    found = ctx.session.scalars(
        mine.options(joinedload(Delivery.event)).order_by(Delivery.id.desc()).limit(PAGE + 1)
    ).all()
    shown = found[:PAGE]
    return EndpointScreen(
        endpoint=replace(_row(endpoint, zone, ctx.now), denial=endpoint.denial(rights)),
        rows=tuple(_delivery(ctx, one, zone, rights) for one in shown),
        older=shown[-1].id if len(found) > PAGE else None,
        newer=before is not None,
    )


def _zone(ctx: Context, account_id: int | None) -> str:
    """Return the time zone of the pages: the account's, or the operator's, which is UTC."""
    return "UTC" if account_id is None else ctx.session.get_one(Account, account_id).time_zone


def _row(endpoint: Endpoint, zone: str, now: datetime) -> EndpointRow:
    state, tone, hint = "On", "ok", ""
    if endpoint.ended is not None:
        state, tone = "Off", "off" if endpoint.ended == Ended.BY_HAND else "bad"
        hint = ENDED[Ended(endpoint.ended)]
        if endpoint.ended_at is not None:
            hint = f"{hint}, {datetimes.within(datetimes.since(endpoint.ended_at, zone, now))}"
    elif endpoint.failing_since is not None:
        since = datetimes.within(datetimes.since(endpoint.failing_since, zone, now))
        state, tone, hint = "Failing", "warn", f"No success since {since}"
    overlapping = endpoint.overlapping(now)
    return EndpointRow(
        id=endpoint.id,
        title=endpoint.name or endpoint.url,
        url=endpoint.url,
        name=endpoint.name,
        events=tuple(endpoint.events),
        has_all=len(endpoint.events) == len(webhooks.offered_to(endpoint.account_id)),
        is_on=endpoint.is_on,
        state=state,
        tone=tone,
        hint=hint,
        several_secrets=_several_secrets([until for _, until in overlapping], zone, now),
        rotation_ends_oldest=len(overlapping) > 1,
    )


def _several_secrets(ends: Sequence[datetime], zone: str, now: datetime) -> str:
    if not ends:
        return ""
    count = "Three" if len(ends) > 1 else "Two"
    return f"{count} secrets sign until {datetimes.when(min(ends), zone, now)}"


def _delivery(ctx: Context, one: Delivery, zone: str, rights: Collection[Right]) -> DeliveryRow:
    state, tone = "Delivered", "ok"
    if one.state == DeliveryState.FAILED:
        state, tone = "Failed", "bad"
    elif one.state == DeliveryState.OWED:
        state, tone = ("Retrying", "warn") if one.last_try_at else ("Waiting", "off")
    return DeliveryRow(
        id=one.id,
        event=one.event.webhook or "",
        message_id=payloads.message_id(one.event),
        when=datetimes.since(one.event.at, zone, ctx.now),
        state=state,
        tone=tone,
        detail=_detail(one, zone, ctx.now),
        body=_body(ctx, one, rights),
        can_resend=one.endpoint.is_on,
    )


def _body(ctx: Context, one: Delivery, rights: Collection[Right]) -> str:
    if Right.BILLING not in rights and one.event.webhook not in READ_BY_ALL:
        return ""
    return dumps(payloads.payload_of(ctx.session, one), ensure_ascii=False, indent=2)


def _detail(one: Delivery, zone: str, now: datetime) -> str:
    if one.last_try_at is None:
        return ""
    answer = f"HTTP {one.status} after {one.took_ms} ms" if one.status else "No answer"
    text = f"{answer}: {one.trouble.rstrip('.')}" if one.trouble else answer
    if one.state == DeliveryState.OWED and one.next_try_at is not None:
        return f"{text}. Next try {datetimes.within(datetimes.since(one.next_try_at, zone, now))}"
    return text
