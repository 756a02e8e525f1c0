"""Unsubscribe an address from a topic by the link in an email (RFC 8058)."""

from dataclasses import dataclass

from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.notifications import Unsubscribed
from webapp.domain.notifications.outbox import TOPICS, Notice
from webapp.domain.notifications.topics import Recipient, Topic
from webapp.domain.shared.context import Actor, Context
from webapp.domain.shared.errors import NotFound


@dataclass(frozen=True)
class Subscription:
    account_id: int
    account_name: str
    address: str
    topic: Topic
    is_on: bool


def subscription(ctx: Context, notice_id: int) -> Subscription:
    """The subscription that the email's link ends. Raises `NotFound` if the email has no link."""
    notice = ctx.session.get(Notice, notice_id)
    if notice is None or not notice.can_be_stopped:
        raise NotFound("That email")
    topic = TOPICS[notice.kind]
    account = ctx.session.get_one(Account, notice.account_id)
    is_on = notice.recipient in account.addresses_for(topic)
    return Subscription(account.id, account.name, notice.recipient, topic, is_on)


def unsubscribe(ctx: Context, notice_id: int, address: str) -> Subscription:
    """End the subscription; idempotent. `address` is the client's IP. Raises `NotFound`."""
    account = Account.locked(ctx.session, subscription(ctx, notice_id).account_id)
    ended = subscription(ctx, notice_id)
    if ended.is_on:
        account.set_recipients([_without(recipient, ended) for recipient in account.recipients])
        actor = Actor(name=ended.address, address=address)
        events.record(ctx.by(actor), account.id, Unsubscribed(ended.topic))
    ctx.session.commit()
    return ended


def _without(recipient: Recipient, ended: Subscription) -> Recipient:
    if recipient.address != ended.address:
        return recipient
    return Recipient(recipient.address, recipient.topics - {ended.topic})
