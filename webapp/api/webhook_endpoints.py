"""Webhook endpoints, their signing secrets and their deliveries."""

from typing import Annotated

from pydantic import FailFast, Field
from pydantic import WithJsonSchema as Schema

from webapp.actions.webhooks import endpoints as actions
from webapp.api.http.authentication import Client
from webapp.api.http.queries import Page
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import Body, Switch, reader
from webapp.api.openapi.operations import Group, Link
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.domain.users.user import Right
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks.endpoint import PROVIDER_CHOICES, URL_LENGTH, EndpointChoice
from webapp.extensions import services
from webapp.reads.records import webhooks as records
from webapp.reads.records.record import Id, Record
from webapp.reads.records.webhooks import DeliveryPage, DeliveryRecord, EndpointList, EndpointRecord

READ = (Scope.BILLING_READ, Scope.EVENTS)
WRITE = (Scope.BILLING_WRITE, Scope.EVENTS)
"""An account's key manages the account's endpoints, a provider key those of the provider."""

RIGHTS = frozenset({Right.TECHNICAL, Right.BILLING})
"""A key with the scope to write billing can subscribe to every event."""

EXAMPLES = {
    "payments": {
        "url": "https://example.com/hooks",
        "events": ["payment.succeeded", "balance.low"],
    }
}
ONE = "/webhook-endpoints/<int:endpoint_id>"
LINKS = {
    name: Link(name, "endpoint_id", "/id")
    for name in ("read_webhook_endpoint", "list_webhook_deliveries", "send_test_webhook")
}


def _url(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("Must be a URL such as https://example.com/hooks")


def _event(value: object) -> str:
    if isinstance(value, str) and value in PROVIDER_CHOICES:
        return value
    raise ValueError("Must be the name of an event")


Url = Annotated[
    str,
    reader(_url),
    Schema(
        {
            "type": "string",
            "format": "uri",
            "minLength": 1,
            "maxLength": URL_LENGTH,
            "examples": ["https://example.com/hooks"],
        }
    ),
]
EventName = Annotated[
    str,
    reader(_event),
    Schema({"type": "string", "enum": [str(kind) for kind in PROVIDER_CHOICES]}),
]


class EndpointAsked(Body):
    """URL and events of a webhook endpoint."""

    url: Url = Field(
        description="A public HTTPS URL. Its host name is resolved and checked before every "
        "delivery."
    )
    events: Annotated[tuple[EventName, ...], Field(min_length=1, max_length=50), FailFast()] = (
        Field(
            description="The events to send. Only the provider's endpoints receive "
            "`balance.exhausted`, `balance.restored`, `refill.blocked`, `usage.…` and `account.…`."
        )
    )


class EndpointState(Body):
    """Whether a webhook endpoint is on."""

    on: Switch = Field(description="Whether it is switched on.")


class NewEndpoint(Record):
    """A webhook endpoint with its signing secret."""

    id: Id
    url: str = Field(description="The URL of the webhook endpoint.")
    secret: str = Field(
        description="Store it now: it is not shown again. It verifies signatures with any Standard "
        "Webhooks library."
    )


resource = Resource("webhooks", Group.WEBHOOKS)


@resource.get("/webhook-endpoints", "List webhook endpoints", *READ)
def list_webhook_endpoints(ctx: Context, client: Client) -> EndpointList:
    """List the webhook endpoints of the key's owner, without their secrets: of the account, or with
    a provider key those that receive the events of every account.
    """
    return records.read_endpoints(ctx, client.account_id)


@resource.post(
    "/webhook-endpoints",
    "Add a webhook endpoint",
    *WRITE,
    status=201,
    shows_secret=True,
    examples=EXAMPLES,
    problems=("too_many_endpoints",),
    links=LINKS,
)
def add_webhook_endpoint(ctx: Context, client: Client, body: EndpointAsked) -> NewEndpoint:
    """The endpoint receives events from now on, signed and in order. Failed deliveries are retried
    for about three days.
    """
    choice = EndpointChoice(body.url, "", body.events)
    made = actions.add_endpoint(ctx, client.account_id, choice, RIGHTS)
    return NewEndpoint(id=made.endpoint_id, url=made.url, secret=made.secret)


@resource.get(ONE, "Read a webhook endpoint", *READ)
def read_webhook_endpoint(ctx: Context, client: Client, endpoint_id: int) -> EndpointRecord:
    """Read a webhook endpoint, without its secret."""
    return records.read_endpoint(ctx, client.account_id, endpoint_id)


@resource.put(ONE, "Replace a webhook endpoint", *WRITE, examples=EXAMPLES)
def replace_webhook_endpoint(
    ctx: Context, client: Client, endpoint_id: int, body: EndpointAsked
) -> EndpointRecord:
    """Replace the URL and the events. The secret and the name are unchanged."""
    name = webhooks.find(ctx.session, client.account_id, endpoint_id).name
    choice = EndpointChoice(body.url, name, body.events)
    actions.change_endpoint(ctx, client.account_id, endpoint_id, choice, RIGHTS)
    return records.read_endpoint(ctx, client.account_id, endpoint_id)


@resource.put(
    f"{ONE}/state",
    "Switch a webhook endpoint",
    *WRITE,
    examples={"on": {"on": True}},
)
def switch_webhook_endpoint(
    ctx: Context, client: Client, endpoint_id: int, body: EndpointState
) -> EndpointRecord:
    """When it is switched on again, the endpoint receives its pending deliveries, but no events
    that occurred while it was off.
    """
    actions.switch_endpoint(ctx, client.account_id, endpoint_id, body.on, RIGHTS)
    services().wake()
    return records.read_endpoint(ctx, client.account_id, endpoint_id)


@resource.delete(ONE, "Remove a webhook endpoint", *WRITE, status=204)
def remove_webhook_endpoint(ctx: Context, client: Client, endpoint_id: int) -> None:
    """Remove a webhook endpoint and drop its pending deliveries."""
    actions.remove_endpoint(ctx, client.account_id, endpoint_id, RIGHTS)


@resource.post(
    f"{ONE}/secret-rotations", "Rotate the secret", *WRITE, status=201, shows_secret=True
)
def rotate_webhook_secret(ctx: Context, client: Client, endpoint_id: int) -> NewEndpoint:
    """Create a new secret. For 24 hours deliveries are also signed with the present one, so the
    receiver can change over without losing events. At most three secrets sign: a third rotation
    within 24 hours ends the oldest at once.
    """
    made = actions.rotate_secret(ctx, client.account_id, endpoint_id, RIGHTS)
    return NewEndpoint(id=made.endpoint_id, url=made.url, secret=made.secret)


@resource.post(
    f"{ONE}/tests",
    "Send a test",
    *WRITE,
    status=201,
    problems=("conflict",),
    links={"again": Link("resend_webhook", "delivery_id", "/id")},
)
def send_test_webhook(ctx: Context, client: Client, endpoint_id: int) -> DeliveryRecord:
    """Send a test event. The request is refused while the endpoint is off."""
    delivery = actions.send_test(ctx, client.account_id, endpoint_id)
    services().wake()
    return records.delivery_record(delivery)


@resource.get(f"{ONE}/deliveries", "List deliveries", *READ)
def list_webhook_deliveries(
    ctx: Context, client: Client, endpoint_id: int, query: Page
) -> DeliveryPage:
    """List the deliveries to an endpoint with their results, newest first."""
    return records.read_deliveries(ctx, client.account_id, endpoint_id, query.cursor, query.limit)


@resource.post(
    "/webhook-deliveries/<int:delivery_id>/resends",
    "Resend a delivery",
    *WRITE,
    status=201,
    problems=("conflict",),
)
def resend_webhook(ctx: Context, client: Client, delivery_id: int) -> DeliveryRecord:
    """Send the event again with the same `webhook-id`, so the receiver can detect duplicates."""
    delivery = actions.send_again(ctx, client.account_id, delivery_id)
    services().wake()
    return records.delivery_record(delivery)
