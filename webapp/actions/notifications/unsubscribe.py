"""A press on a mail's own link: this address gets no more mails of this topic (RFC 8058)."""

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
    """What the link in this mail is about. Raises `NotFound` where there is nothing to end."""
    notice = session.get(Notice, notice_id)
    if notice is None or not notice.can_be_stopped:
        raise NotFound("That mail")
    topic = TOPICS[notice.kind]
    account = session.get_one(Account, notice.account_id)
    is_on = notice.recipient in account.addresses_for(topic)
    return Subscription(account.id, account.name, notice.recipient, topic, is_on)


def unsubscribe(session: Session, notice_id: int, address: str, now: datetime) -> Subscription:
    """Safe to repeat. `address` is where the press came from. Raises `NotFound`."""
    account = Account.locked(session, subscription(session, notice_id).account_id)
    told = subscription(session, notice_id)
    if told.is_on:
        account.set_recipients([_without(it, told) for it in account.recipients])
        actor = Actor(name=told.address, address=address)
        audit.record(session, account.id, actor, "unsubscribed", now, topic=told.topic)
    session.commit()
    return told


def _without(recipient: Recipient, told: Subscription) -> Recipient:
    if recipient.address != told.address:
        return recipient
    return Recipient(recipient.address, recipient.topics - {told.topic})
