"""Add, change, switch, remove and test webhook endpoints, and rotate their secrets."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.shared.errors import Conflict, Invalid
from webapp.domain.users.user import Right
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks.endpoint import Delivery, Ended, Endpoint, EndpointChoice, EventKind


@dataclass(frozen=True)
class NewSecret:
    endpoint_id: int
    url: str
    secret: str
    """The signing secret. It is shown once."""


def add_endpoint(
    session: Session,
    account_id: int,
    choice: EndpointChoice,
    rights: Collection[Right],
    actor: Actor,
    now: datetime,
    *,
    plain_http: bool = False,
) -> NewSecret:
    """Add an endpoint and return its secret.

    Raises `Conflict` if there are too many, or `Invalid` with an error for each invalid field.
    """
    if faults := choice.faults(rights, plain_http=plain_http):
        raise Invalid(faults)
    account = Account.locked(session, account_id)
    webhooks.require_room(session, account_id)
    endpoint = Endpoint(account_id=account_id, secret=webhooks.new_secret(), created_at=now)
    endpoint.choose(choice)
    session.add(endpoint)
    webhooks.note_who_is_told(session, account)
    made = NewSecret(endpoint.id, endpoint.url, endpoint.secret)
    events = list(endpoint.events)
    audit.record(session, account_id, actor, "webhook_added", now, url=made.url, events=events)
    session.commit()
    return made


def change_endpoint(
    session: Session,
    account_id: int,
    endpoint_id: int,
    choice: EndpointChoice,
    rights: Collection[Right],
    actor: Actor,
    now: datetime,
    *,
    plain_http: bool = False,
) -> Endpoint:
    """Change an endpoint.

    Raises `NotFound`, `Denied`, or `Invalid` with an error for each invalid field.
    """
    Account.locked(session, account_id)
    endpoint = webhooks.find(session, account_id, endpoint_id)
    endpoint.require_rights(rights)
    if faults := choice.faults(rights, plain_http=plain_http):
        session.rollback()
        raise Invalid(faults)
    before = endpoint.url
    endpoint.choose(choice)
    audit.record(
        session,
        account_id,
        actor,
        "webhook_changed",
        now,
        before=before,
        url=endpoint.url,
        events=list(endpoint.events),
    )
    session.commit()
    return endpoint


def switch_endpoint(
    session: Session,
    account_id: int,
    endpoint_id: int,
    on: bool,
    rights: Collection[Right],
    actor: Actor,
    now: datetime,
) -> Endpoint:
    """Switch the endpoint on or off; idempotent. Raises `NotFound`, `Denied`."""
    account = Account.locked(session, account_id)
    endpoint = webhooks.find(session, account_id, endpoint_id)
    endpoint.require_rights(rights)
    if endpoint.is_on != on:
        if on:
            endpoint.resume()
        else:
            endpoint.end(Ended.BY_HAND, now)
        webhooks.note_who_is_told(session, account)
        audit.record(session, account_id, actor, "webhook_switched", now, url=endpoint.url, on=on)
    session.commit()
    return endpoint


def remove_endpoint(
    session: Session,
    account_id: int,
    endpoint_id: int,
    rights: Collection[Right],
    actor: Actor,
    now: datetime,
) -> None:
    """Remove the endpoint; the operator can still read its log. Raises `NotFound`, `Denied`."""
    account = Account.locked(session, account_id)
    endpoint = webhooks.find(session, account_id, endpoint_id)
    endpoint.require_rights(rights)
    endpoint.removed_at = now
    webhooks.note_who_is_told(session, account)
    audit.record(session, account_id, actor, "webhook_removed", now, url=endpoint.url)
    session.commit()


def rotate_secret(
    session: Session,
    account_id: int,
    endpoint_id: int,
    rights: Collection[Right],
    actor: Actor,
    now: datetime,
) -> NewSecret:
    """Replace the secret; both secrets sign for a day. Raises `NotFound`, `Denied`."""
    Account.locked(session, account_id)
    endpoint = webhooks.find(session, account_id, endpoint_id)
    endpoint.require_rights(rights)
    secret = endpoint.rotate(now)
    audit.record(session, account_id, actor, "webhook_rotated", now, url=endpoint.url)
    made = NewSecret(endpoint.id, endpoint.url, secret)
    session.commit()
    return made


def send_test(session: Session, account_id: int, endpoint_id: int, now: datetime) -> Delivery:
    """Queue a test event for the endpoint. Raises `NotFound`, or `Conflict` if it is off."""
    Account.locked(session, account_id)
    endpoint = webhooks.find(session, account_id, endpoint_id)
    if not endpoint.is_on:
        raise Conflict("This endpoint is switched off. Switch it on first.")
    data = {"message": "It works."}
    delivery = webhooks.enqueue(session, account_id, [endpoint], EventKind.TEST, data, now)
    session.commit()
    if delivery is None:
        raise LookupError("the test event was queued without a delivery")
    return delivery


def send_again(session: Session, account_id: int, delivery_id: int, now: datetime) -> Delivery:
    """Queue the delivery again under the same id, so that a receiver can detect the duplicate.

    Raises `NotFound`, `Conflict`.
    """
    Account.locked(session, account_id)
    delivery = webhooks.find_delivery(session, account_id, delivery_id)
    if not delivery.endpoint.is_on:
        raise Conflict("The endpoint is switched off. Switch it on first.")
    delivery.send_again(now)
    session.commit()
    return delivery
