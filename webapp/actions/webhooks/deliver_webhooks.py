"""Deliver events to the endpoints subscribed to them: claim, sign and send, record."""

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from webapp.actions.batch import ShouldContinue, always, run_each
from webapp.clock import Clock
from webapp.database.transactions import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import SYSTEM
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import CLAIM, GONE, PATIENCE, Delivery, Ended, Endpoint
from webapp.ports import Reply, WebhookSender

log = logging.getLogger(__name__)

DELIVERING = "webhook endpoint"
AT_ONCE = 20
"""Maximum deliveries to one endpoint per run."""


def deliver_webhooks(
    session: Session,
    webhook_sender: WebhookSender,
    clock: Clock,
    should_continue: ShouldContinue = always,
) -> int:
    """Send due deliveries to all endpoints. Returns how many arrived."""
    due = webhooks.with_something_due(session, clock.now())
    session.rollback()
    arrived = 0

    def deliver(endpoint_id: int) -> bool:
        nonlocal arrived
        arrived += deliver_to(session, endpoint_id, webhook_sender, clock, should_continue)
        return True

    run_each(session, due, deliver, DELIVERING, should_continue)
    return arrived


def deliver_to(
    session: Session,
    endpoint_id: int,
    webhook_sender: WebhookSender,
    clock: Clock,
    should_continue: ShouldContinue = always,
) -> int:
    """Send an endpoint's due deliveries in the order of events. Returns how many arrived.

    After a crash between sending and recording, the delivery is sent again under the same id. A
    failed delivery does not block later ones.
    """
    query = select(Delivery.id).where(
        Delivery.endpoint_id == endpoint_id, webhooks.due(clock.now())
    )
    due = session.scalars(query.order_by(Delivery.event_id).limit(AT_ONCE)).all()
    session.rollback()
    arrived = 0
    for delivery_id in due:
        if not should_continue():
            break
        arrived += _deliver(session, delivery_id, webhook_sender, clock)
    return arrived


def _deliver(
    session: Session, delivery_id: int, webhook_sender: WebhookSender, clock: Clock
) -> bool:
    if not _claim(session, delivery_id, clock.now()):
        return False
    started = clock.now()
    send = _prepare(session, delivery_id, webhook_sender, started)
    session.rollback()  # no transaction is open during the request
    if send is None:
        return False
    reply = send()
    return _record(session, delivery_id, reply, started, clock.now())


def _claim(session: Session, delivery_id: int, now: datetime) -> bool:
    """Claim a delivery by a guarded update, so that concurrent senders send it once."""
    begin_writing(session)
    claimed = session.connection().execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, webhooks.due(now))
        .values(next_try_at=now + CLAIM, tries=Delivery.tries + 1)
    )
    session.commit()
    return claimed.rowcount == 1


def _prepare(
    session: Session, delivery_id: int, webhook_sender: WebhookSender, now: datetime
) -> Callable[[], Reply] | None:
    """A function that sends the request without using the database; None if the endpoint is off."""
    related = [joinedload(Delivery.event), joinedload(Delivery.endpoint)]
    delivery = session.get_one(Delivery, delivery_id, options=related)
    event, endpoint = delivery.event, delivery.endpoint
    if not endpoint.is_on:
        return None
    # Receivers compare the timestamp with real time, so the sandbox's clock is not used.
    body, timestamp = payloads.body(event), int(Clock().now().timestamp())
    message_id = payloads.message_id(event)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Ballast webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": webhooks.signature(endpoint.secrets(now), message_id, timestamp, body),
    }
    url = endpoint.url
    return lambda: webhook_sender.deliver(url, headers, body)


def _record(
    session: Session, delivery_id: int, reply: Reply, started: datetime, now: datetime
) -> bool:
    account_id = session.get_one(Delivery, delivery_id).endpoint.account_id
    account = Account.locked(session, account_id)
    delivery = session.get_one(Delivery, delivery_id, populate_existing=True)
    endpoint = session.get_one(Endpoint, delivery.endpoint_id, populate_existing=True)
    arrived = delivery.record(reply.status, reply.trouble, reply.took_ms, now, started)
    if arrived:
        endpoint.failing_since = None
    else:
        endpoint.failing_since = endpoint.failing_since or now
        if reply.status == GONE:
            _switch_off(session, account, endpoint, Ended.GONE, reply, now)
        elif now - endpoint.failing_since >= PATIENCE:
            _switch_off(session, account, endpoint, Ended.FAILING, reply, now)
    session.commit()
    return arrived


def _switch_off(
    session: Session,
    account: Account,
    endpoint: Endpoint,
    why: Ended,
    reply: Reply,
    now: datetime,
) -> None:
    """Switch the endpoint off until a user switches it on; its deliveries wait until then."""
    if not endpoint.is_on:
        return
    since = endpoint.failing_since or now
    endpoint.end(why, now)
    webhooks.note_who_is_told(session, account)
    audit.record(session, account.id, SYSTEM, "webhook_ended", now, url=endpoint.url, why=str(why))
    _ = account.translator.gettext
    facts = {
        "url": endpoint.url,
        "gone": why is Ended.GONE,
        "since": account.mailed(since, now),
        "last": f"HTTP {reply.status}" if reply.status else _(reply.said, detail=reply.detail),
    }
    about = f"webhook {endpoint.id} {now.isoformat(timespec='seconds')}"
    outbox.enqueue(session, account, NoticeKind.WEBHOOK_ENDED, about, facts, now)
