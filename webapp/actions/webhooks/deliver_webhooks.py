"""Deliver events to the endpoints subscribed to them: claim, sign and send, record."""

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from webapp.actions.batch import ShouldContinue, always, run_each
from webapp.actions.webhooks.number_events import number_events
from webapp.clock import Clock
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.webhooks import ProviderWebhookEnded, WebhookEnded
from webapp.domain.shared.context import SYSTEM, Context
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import CLAIM, GONE, PATIENCE, Delivery, Ended, Endpoint
from webapp.ports import Reply, WebhookSender

log = logging.getLogger(__name__)

DELIVERING = "webhook endpoint"
AT_ONCE = 20
"""Maximum deliveries to one endpoint per run."""


def deliver_webhooks(
    ctx: Context, webhook_sender: WebhookSender, should_continue: ShouldContinue = always
) -> int:
    """Send due deliveries to all endpoints. Returns how many arrived."""
    due = webhooks.with_something_due(ctx.later())
    ctx.session.rollback()
    arrived = 0

    def deliver(endpoint_id: int) -> bool:
        nonlocal arrived
        arrived += deliver_to(ctx, endpoint_id, webhook_sender, should_continue)
        return True

    run_each(ctx.session, due, deliver, DELIVERING, should_continue)
    return arrived


def deliver_to(
    ctx: Context,
    endpoint_id: int,
    webhook_sender: WebhookSender,
    should_continue: ShouldContinue = always,
) -> int:
    """Send an endpoint's due deliveries in the order of events. Returns how many arrived.

    After a crash between sending and recording, the delivery is sent again under the same id. A
    failed delivery does not block later ones.
    """
    query = select(Delivery.id).where(
        Delivery.endpoint_id == endpoint_id, webhooks.due(ctx.clock.now())
    )
    due = ctx.session.scalars(query.order_by(Delivery.event_id).limit(AT_ONCE)).all()
    if due and ctx.session.get_one(Endpoint, endpoint_id).account_id is None:
        number_events(ctx)  # the payloads contain the sequences
    ctx.session.rollback()
    arrived = 0
    for delivery_id in due:
        if not should_continue():
            break
        arrived += _deliver(ctx, delivery_id, webhook_sender)
    return arrived


def _deliver(ctx: Context, delivery_id: int, webhook_sender: WebhookSender) -> bool:
    if not _claim(ctx.later(), delivery_id):
        return False
    started = ctx.clock.now()
    send = _prepare(ctx.at(started), delivery_id, webhook_sender)
    ctx.session.rollback()  # no transaction is open during the request
    if send is None:
        return False
    reply = send()
    return _record(ctx.later(), delivery_id, reply, started)


def _claim(ctx: Context, delivery_id: int) -> bool:
    """Claim a delivery by a guarded update, so that concurrent senders send it once."""
    begin_writing(ctx.session)
    claimed = ctx.session.connection().execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, webhooks.due(ctx.now))
        .values(next_try_at=ctx.now + CLAIM, tries=Delivery.tries + 1)
    )
    ctx.session.commit()
    return claimed.rowcount == 1


def _prepare(
    ctx: Context, delivery_id: int, webhook_sender: WebhookSender
) -> Callable[[], Reply] | None:
    """A function that sends the request without using the database; None if the endpoint is off."""
    related = [joinedload(Delivery.event), joinedload(Delivery.endpoint)]
    delivery = ctx.session.get_one(Delivery, delivery_id, options=related)
    event, endpoint = delivery.event, delivery.endpoint
    if not endpoint.is_on:
        return None
    # Receivers compare the timestamp with real time, so the sandbox's clock is not used.
    body, timestamp = payloads.body(ctx.session, delivery), int(Clock().now().timestamp())
    message_id = payloads.message_id(event)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Ballast webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": webhooks.signature(
            endpoint.secrets(ctx.now), message_id, timestamp, body
        ),
    }
    url = endpoint.url
    return lambda: webhook_sender.deliver(url, headers, body)


def _record(ctx: Context, delivery_id: int, reply: Reply, started: datetime) -> bool:
    account_id = ctx.session.get_one(Delivery, delivery_id).endpoint.account_id
    account = webhooks.lock_owner(ctx.session, account_id)
    delivery = ctx.session.get_one(Delivery, delivery_id, populate_existing=True)
    endpoint = ctx.session.get_one(Endpoint, delivery.endpoint_id, populate_existing=True)
    arrived = delivery.record(reply.status, reply.trouble, reply.took_ms, ctx.now, started)
    if arrived:
        endpoint.failing_since = None
    else:
        endpoint.failing_since = endpoint.failing_since or ctx.now
        if reply.status == GONE:
            _switch_off(ctx, account, endpoint, Ended.GONE, reply)
        elif ctx.now - endpoint.failing_since >= PATIENCE:
            _switch_off(ctx, account, endpoint, Ended.FAILING, reply)
    ctx.session.commit()
    return arrived


def _switch_off(
    ctx: Context, account: Account | None, endpoint: Endpoint, why: Ended, reply: Reply
) -> None:
    """Switch the endpoint off until a user switches it on; its deliveries wait until then.

    The account is emailed. Of the provider's endpoints the operator's pages and the log tell.
    """
    if not endpoint.is_on:
        return
    since = endpoint.failing_since or ctx.now
    endpoint.end(why, ctx.now)
    if account is None:
        log.error("The provider's webhook %s was switched off: %s", endpoint.url, why)
        events.record(ctx.by(SYSTEM), None, ProviderWebhookEnded(endpoint.url, why))
        return
    _ = account.translator.gettext
    last = f"HTTP {reply.status}" if reply.status else _(reply.text, detail=reply.detail)
    once = f"webhook {endpoint.id} {ctx.now.isoformat(timespec='seconds')}"
    event = WebhookEnded(endpoint.url, why, since, last, once)
    events.record(ctx.by(SYSTEM), account.id, event)
