"""Unsubscribe an address from a topic by the link in an email (RFC 8058)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications.outbox import TOPICS, Notice
from webapp.domain.notifications.topics import Recipient, Topic
from webapp.domain.shared.errors import NotFound


@dataclass(frozen=True)
class Subscription:
    account_id: int
    account_name: str
    address: str
    topic: Topic
    is_on: bool


def subscription(session: Session, notice_id: int) -> Subscription:
    """The subscription that the email's link ends. Raises `NotFound` if the email has no link."""
    notice = session.get(Notice, notice_id)
    if notice is None or not notice.can_be_stopped:
        raise NotFound("That email")
    topic = TOPICS[notice.kind]
    account = session.get_one(Account, notice.account_id)
    is_on = notice.recipient in account.addresses_for(topic)
    return Subscription(account.id, account.name, notice.recipient, topic, is_on)


def unsubscribe(session: Session, notice_id: int, address: str, now: datetime) -> Subscription:
    """End the subscription; idempotent. `address` is the client's IP. Raises `NotFound`."""
    account = Account.locked(session, subscription(session, notice_id).account_id)
    ended = subscription(session, notice_id)
    if ended.is_on:
        account.set_recipients([_without(recipient, ended) for recipient in account.recipients])
        actor = Actor(name=ended.address, address=address)
        audit.record(session, account.id, actor, "unsubscribed", now, topic=ended.topic)
    session.commit()
    return ended


def _without(recipient: Recipient, ended: Subscription) -> Recipient:
    if recipient.address != ended.address:
        return recipient
    return Recipient(recipient.address, recipient.topics - {ended.topic})
