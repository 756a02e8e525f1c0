"""Add, change, switch, remove and test webhook endpoints, and rotate their secrets.

`account_id` is None for the provider's endpoints (V7).
"""

from collections.abc import Collection
from dataclasses import dataclass

from webapp.domain.events import recording as events
from webapp.domain.events.webhooks import (
    WebhookAdded,
    WebhookChanged,
    WebhookRemoved,
    WebhookRotated,
    WebhookSwitched,
    WebhookTested,
)
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid
from webapp.domain.users.user import Right
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks.endpoint import Delivery, Ended, Endpoint, EndpointChoice


@dataclass(frozen=True)
class NewSecret:
    endpoint_id: int
    url: str
    secret: str
    """The signing secret. It is shown once."""


def add_endpoint(
    ctx: Context,
    account_id: int | None,
    choice: EndpointChoice,
    rights: Collection[Right],
) -> NewSecret:
    """Add an endpoint and return its secret.

    Raises `Conflict` if there are too many, or `Invalid` with an error for each invalid field.
    """
    if faults := _faults(ctx, account_id, choice, rights):
        raise Invalid(faults)
    webhooks.lock_owner(ctx.session, account_id)
    webhooks.require_room(ctx.session, account_id)
    endpoint = Endpoint(account_id=account_id, secret=webhooks.new_secret(), created_at=ctx.now)
    endpoint.choose(choice)
    ctx.session.add(endpoint)
    ctx.session.flush()
    made = NewSecret(endpoint.id, endpoint.url, endpoint.secret)
    events.record(ctx, account_id, WebhookAdded(made.url, endpoint.events))
    ctx.session.commit()
    return made


def change_endpoint(
    ctx: Context,
    account_id: int | None,
    endpoint_id: int,
    choice: EndpointChoice,
    rights: Collection[Right],
) -> Endpoint:
    """Change an endpoint.

    Raises `NotFound`, `Denied`, or `Invalid` with an error for each invalid field.
    """
    webhooks.lock_owner(ctx.session, account_id)
    endpoint = webhooks.find(ctx.session, account_id, endpoint_id)
    endpoint.require_rights(rights)
    if faults := _faults(ctx, account_id, choice, rights):
        ctx.session.rollback()
        raise Invalid(faults)
    before = endpoint.url
    endpoint.choose(choice)
    events.record(ctx, account_id, WebhookChanged(endpoint.url, endpoint.events, before))
    ctx.session.commit()
    return endpoint


def switch_endpoint(
    ctx: Context, account_id: int | None, endpoint_id: int, on: bool, rights: Collection[Right]
) -> Endpoint:
    """Switch the endpoint on or off; idempotent. Raises `NotFound`, `Denied`."""
    webhooks.lock_owner(ctx.session, account_id)
    endpoint = webhooks.find(ctx.session, account_id, endpoint_id)
    endpoint.require_rights(rights)
    if endpoint.is_on != on:
        if on:
            endpoint.resume()
        else:
            endpoint.end(Ended.BY_HAND, ctx.now)
        events.record(ctx, account_id, WebhookSwitched(endpoint.url, on))
    ctx.session.commit()
    return endpoint


def remove_endpoint(
    ctx: Context, account_id: int | None, endpoint_id: int, rights: Collection[Right]
) -> None:
    """Remove the endpoint; the operator can still read its log. Raises `NotFound`, `Denied`."""
    webhooks.lock_owner(ctx.session, account_id)
    endpoint = webhooks.find(ctx.session, account_id, endpoint_id)
    endpoint.require_rights(rights)
    endpoint.removed_at = ctx.now
    events.record(ctx, account_id, WebhookRemoved(endpoint.url))
    ctx.session.commit()


def rotate_secret(
    ctx: Context, account_id: int | None, endpoint_id: int, rights: Collection[Right]
) -> NewSecret:
    """Create a new secret; the replaced one also signs for a day. Raises `NotFound`, `Denied`."""
    webhooks.lock_owner(ctx.session, account_id)
    endpoint = webhooks.find(ctx.session, account_id, endpoint_id)
    endpoint.require_rights(rights)
    secret = endpoint.rotate(ctx.now)
    events.record(ctx, account_id, WebhookRotated(endpoint.url))
    made = NewSecret(endpoint.id, endpoint.url, secret)
    ctx.session.commit()
    return made


def send_test(ctx: Context, account_id: int | None, endpoint_id: int) -> Delivery:
    """Queue a test event for the endpoint. Raises `NotFound`, or `Conflict` if it is off."""
    webhooks.lock_owner(ctx.session, account_id)
    endpoint = webhooks.find(ctx.session, account_id, endpoint_id)
    if not endpoint.is_on:
        raise Conflict("This endpoint is switched off. Switch it on first.")
    event = events.record(ctx, account_id, WebhookTested())
    (delivery,) = webhooks.deliver(ctx, event, [endpoint])
    ctx.session.commit()
    return delivery


def send_again(ctx: Context, account_id: int | None, delivery_id: int) -> Delivery:
    """Queue the delivery again under the same id, so that a receiver can detect the duplicate.

    Raises `NotFound`, `Conflict`.
    """
    webhooks.lock_owner(ctx.session, account_id)
    delivery = webhooks.find_delivery(ctx.session, account_id, delivery_id)
    if not delivery.endpoint.is_on:
        raise Conflict("The endpoint is switched off. Switch it on first.")
    delivery.send_again(ctx.now)
    ctx.session.commit()
    return delivery


def _faults(
    ctx: Context, account_id: int | None, choice: EndpointChoice, rights: Collection[Right]
) -> dict[str, str]:
    return choice.faults(
        rights, networks=ctx.policy.webhook_networks, offered=webhooks.offered_to(account_id)
    )
