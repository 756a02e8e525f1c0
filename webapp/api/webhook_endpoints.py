"""Webhook endpoints, their signing secrets and their deliveries."""

from collections.abc import Mapping
from dataclasses import dataclass
from re import fullmatch
from typing import Annotated

from flask import request
from flask.typing import ResponseReturnValue

from webapp.actions.webhooks import endpoints as actions
from webapp.api.http import bodies
from webapp.api.http.answers import answer, no_content
from webapp.api.http.authentication import permit
from webapp.api.http.blueprint import api_blueprint
from webapp.api.http.idempotency import repeatable
from webapp.api.http.queries import Page
from webapp.api.openapi import schemas
from webapp.api.openapi.fields import Bad, Many
from webapp.api.openapi.operations import Group, Link, operation
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.users.user import Right
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks.endpoint import CHOICES, URL_LENGTH, EndpointChoice
from webapp.extensions import db, make_context, services
from webapp.reads.records import webhooks as records
from webapp.reads.records.webhooks import DeliveryPage, DeliveryRecord, EndpointList, EndpointRecord

blueprint = api_blueprint("webhooks")

RIGHTS = frozenset({Right.TECHNICAL, Right.BILLING})
"""A key with the scope to write billing can subscribe to every event."""

EXAMPLE = {"url": "https://example.com/hooks", "events": ["payment.succeeded", "balance.low"]}
ONE = "/webhook-endpoints/<int:endpoint_id>"
LINKS = {
    name: Link(name, "endpoint_id", "/id")
    for name in ("read_webhook_endpoint", "list_webhook_deliveries", "send_test_webhook")
}


class HttpsUrl:
    written = r"https://[A-Za-z0-9.-]{1,200}(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~/?=&%-]{0,250})?"
    schema: Mapping[str, object] = {
        "type": "string",
        "maxLength": URL_LENGTH,
        "pattern": f"^{written}$",
        "examples": ["https://example.com/hooks"],
    }

    def read(self, value: object) -> str:
        if isinstance(value, str) and fullmatch(self.written, value):
            return value
        raise Bad("Must be a URL such as https://example.com/hooks")


class EventName:
    schema: Mapping[str, object] = {"type": "string", "enum": [str(kind) for kind in CHOICES]}

    def read(self, value: object) -> str:
        if isinstance(value, str) and value in CHOICES:
            return value
        raise Bad("Must be the name of an event")


@dataclass(frozen=True)
class EndpointAsked:
    """URL and events of a webhook endpoint."""

    url: Annotated[str, HttpsUrl()]
    """A public HTTPS URL. Its host name is resolved and checked again before every delivery."""
    events: Annotated[tuple[Annotated[str, EventName()], ...], Many(1, 50)]
    """The events to send."""


@dataclass(frozen=True)
class EndpointState:
    """Whether a webhook endpoint is on."""

    on: bool


@dataclass(frozen=True)
class NewEndpoint:
    """A webhook endpoint with its signing secret."""

    id: int
    url: str
    secret: str
    """Store it now: it is not shown again. It verifies signatures with any Standard Webhooks
    library."""


@blueprint.get("/webhook-endpoints")
@operation(
    "List webhook endpoints",
    Group.WEBHOOKS,
    Scope.BILLING_READ,
    answer=EndpointList,
    has_etag=True,
)
def list_webhook_endpoints() -> ResponseReturnValue:
    """List the account's webhook endpoints, without their secrets."""
    client = permit(Scope.BILLING_READ)
    return answer(records.read_endpoints(make_context(), client.account_id))


@blueprint.post("/webhook-endpoints")
@operation(
    "Add a webhook endpoint",
    Group.WEBHOOKS,
    Scope.BILLING_WRITE,
    status=201,
    answer=NewEndpoint,
    body=EndpointAsked,
    examples={"payments": EXAMPLE},
    problems=("too_many_endpoints",),
    links=LINKS,
)
@repeatable
def add_webhook_endpoint() -> ResponseReturnValue:
    """The endpoint receives events from now on, signed and in order. Failed deliveries are retried
    for about three days.
    """
    client, now = permit(Scope.BILLING_WRITE), services().clock.now()
    sent = schemas.read(EndpointAsked, bodies.read_json())
    choice = EndpointChoice(sent.url, "", sent.events)
    made = actions.add_endpoint(
        make_context(client.actor).at(now), client.account_id, choice, RIGHTS
    )
    return answer(NewEndpoint(made.endpoint_id, made.url, made.secret), 201)


@blueprint.get(ONE)
@operation(
    "Read a webhook endpoint",
    Group.WEBHOOKS,
    Scope.BILLING_READ,
    answer=EndpointRecord,
    has_etag=True,
)
def read_webhook_endpoint(endpoint_id: int) -> ResponseReturnValue:
    """Read a webhook endpoint, without its secret."""
    client = permit(Scope.BILLING_READ)
    return answer(records.read_endpoint(make_context(), client.account_id, endpoint_id))


@blueprint.put(ONE)
@operation(
    "Replace a webhook endpoint",
    Group.WEBHOOKS,
    Scope.BILLING_WRITE,
    answer=EndpointRecord,
    body=EndpointAsked,
    examples={"payments": EXAMPLE},
)
def replace_webhook_endpoint(endpoint_id: int) -> ResponseReturnValue:
    """Replace the URL and the events. The secret and the name are unchanged."""
    client, now = permit(Scope.BILLING_WRITE), services().clock.now()
    session, account_id, actor = db.session(), client.account_id, client.actor
    sent = schemas.read(EndpointAsked, bodies.read_json())
    name = webhooks.find(session, account_id, endpoint_id).name
    choice = EndpointChoice(sent.url, name, sent.events)
    actions.change_endpoint(make_context(actor).at(now), account_id, endpoint_id, choice, RIGHTS)
    return answer(records.read_endpoint(make_context(), account_id, endpoint_id))


@blueprint.put(f"{ONE}/state")
@operation(
    "Switch a webhook endpoint",
    Group.WEBHOOKS,
    Scope.BILLING_WRITE,
    answer=EndpointRecord,
    body=EndpointState,
    examples={"on": {"on": True}},
)
def switch_webhook_endpoint(endpoint_id: int) -> ResponseReturnValue:
    """When it is switched on again, the endpoint receives its pending deliveries, but no events
    that occurred while it was off.
    """
    client = permit(Scope.BILLING_WRITE)
    account_id = client.account_id
    on = schemas.read(EndpointState, bodies.read_json()).on
    ctx = make_context(client.actor)
    actions.switch_endpoint(ctx, account_id, endpoint_id, on, RIGHTS)
    services().wake()
    return answer(records.read_endpoint(make_context(), account_id, endpoint_id))


@blueprint.delete(ONE)
@operation("Remove a webhook endpoint", Group.WEBHOOKS, Scope.BILLING_WRITE, status=204)
def remove_webhook_endpoint(endpoint_id: int) -> ResponseReturnValue:
    """Remove a webhook endpoint and drop its pending deliveries."""
    client, now = permit(Scope.BILLING_WRITE), services().clock.now()
    actions.remove_endpoint(
        make_context(client.actor).at(now), client.account_id, endpoint_id, RIGHTS
    )
    return no_content()


@blueprint.post(f"{ONE}/secret-rotations")
@operation("Rotate the secret", Group.WEBHOOKS, Scope.BILLING_WRITE, status=201, answer=NewEndpoint)
@repeatable
def rotate_webhook_secret(endpoint_id: int) -> ResponseReturnValue:
    """Create a new secret. Deliveries are signed with both secrets for 24 hours, so the receiver
    can change over without losing events.
    """
    client, now = permit(Scope.BILLING_WRITE), services().clock.now()
    made = actions.rotate_secret(
        make_context(client.actor).at(now), client.account_id, endpoint_id, RIGHTS
    )
    return answer(NewEndpoint(made.endpoint_id, made.url, made.secret), 201)


@blueprint.post(f"{ONE}/tests")
@operation(
    "Send a test",
    Group.WEBHOOKS,
    Scope.BILLING_WRITE,
    status=201,
    answer=DeliveryRecord,
    problems=("conflict",),
    links={"again": Link("resend_webhook", "delivery_id", "/id")},
)
@repeatable
def send_test_webhook(endpoint_id: int) -> ResponseReturnValue:
    """Send a test event. The request is refused while the endpoint is off."""
    client = permit(Scope.BILLING_WRITE)
    delivery = actions.send_test(make_context(), client.account_id, endpoint_id)
    services().wake()
    return answer(records.delivery_record(delivery), 201)


@blueprint.get(f"{ONE}/deliveries")
@operation(
    "List deliveries",
    Group.WEBHOOKS,
    Scope.BILLING_READ,
    answer=DeliveryPage,
    query=Page,
    has_etag=True,
)
def list_webhook_deliveries(endpoint_id: int) -> ResponseReturnValue:
    """List the deliveries to an endpoint with their results, newest first."""
    client = permit(Scope.BILLING_READ)
    sent = schemas.read_query(Page, request.args)
    return answer(
        records.read_deliveries(
            make_context(), client.account_id, endpoint_id, sent.cursor, sent.limit
        )
    )


@blueprint.post("/webhook-deliveries/<int:delivery_id>/resends")
@operation(
    "Resend a delivery",
    Group.WEBHOOKS,
    Scope.BILLING_WRITE,
    status=201,
    answer=DeliveryRecord,
    problems=("conflict",),
)
@repeatable
def resend_webhook(delivery_id: int) -> ResponseReturnValue:
    """Send the event again with the same `webhook-id`, so the receiver can detect duplicates."""
    client = permit(Scope.BILLING_WRITE)
    delivery = actions.send_again(make_context(), client.account_id, delivery_id)
    services().wake()
    return answer(records.delivery_record(delivery), 201)
