"""Payment methods: list, order, auto-charge and removal. Only people can add methods."""

from typing import Annotated

from flask import Response
from pydantic import FailFast, Field

from webapp.actions.payment_methods.remove_method import remove_method
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.actions.payment_methods.set_auto_charge import set_auto_charge as set_consent
from webapp.api.http import preconditions, problems
from webapp.api.http.answers import Answer
from webapp.api.http.authentication import ApiClient
from webapp.api.http.problems import Problem, ProblemDetails
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import Body, Id, Switch
from webapp.api.openapi.operations import Group, Link
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Stale
from webapp.extensions import services
from webapp.reads.records import methods
from webapp.reads.records.methods import MethodList, MethodRecord, Order

ONE = "/payment-methods/<int:method_id>"
ORDER = "/payment-methods/order"
LINKS = {
    name: Link(operation, "method_id", "/payment_methods/0/id")
    for name, operation in (("first", "read_payment_method"), ("removed", "remove_payment_method"))
}


class Consent(Body):
    """Consent to automatic charges of a payment method."""

    on: Switch = Field(description="Whether the method may be charged automatically.")


class NewOrder(Body):
    """A new order of the payment methods."""

    order: Annotated[tuple[Id, ...], Field(max_length=1_000), FailFast()] = Field(
        description="The ids of all payment methods, the primary first."
    )


class OrderProblem(ProblemDetails):
    """A refused change of the order."""

    order: tuple[int, ...] = Field((), description="The current order.")


resource = Resource("payment_methods", Group.METHODS)


@resource.get("/payment-methods", "List payment methods", Scope.BILLING_READ, links=LINKS)
def list_payment_methods(ctx: Context, client: ApiClient) -> MethodList:
    """List the payment methods in the customer's order; the first one is the primary."""
    return methods.read_methods(ctx, client.account_id)


@resource.get(ONE, "Read a payment method", Scope.BILLING_READ)
def read_payment_method(ctx: Context, client: ApiClient, method_id: int) -> MethodRecord:
    """Read a payment method and whether it can be charged automatically."""
    return methods.read_method(ctx, client.account_id, method_id)


@resource.put(
    f"{ONE}/auto-charge",
    "Switch auto-charge",
    Scope.BILLING_WRITE,
    examples={"on": {"on": True}, "off": {"on": False}},
)
def set_auto_charge(ctx: Context, client: ApiClient, method_id: int, body: Consent) -> MethodRecord:
    """If you switch auto-charge on while a refill is due, the method may be charged at once."""
    set_consent(ctx, client.account_id, method_id, body.on)
    services().wake()
    return methods.read_method(ctx, client.account_id, method_id)


@resource.delete(
    ONE,
    "Remove a payment method",
    Scope.BILLING_WRITE,
    status=204,
    problems=("payment_open", "just_paid"),
)
def remove_payment_method(ctx: Context, client: ApiClient, method_id: int) -> None:
    """The method is removed from the list and revoked at the processor. If it was the primary, the
    next one in the order becomes the primary. Automatic refills stop if no other method can be
    charged.
    """
    remove_method(ctx, client.account_id, method_id)
    services().wake()


@resource.get(ORDER, "Read the order", Scope.BILLING_READ)
def read_order(ctx: Context, client: ApiClient) -> Answer[Order]:
    """Read the order of the payment methods. Send the `ETag` as `If-Match` to replace it."""
    order = methods.read_order(ctx, client.account_id)
    return Answer(order, version=_etag(order))


@resource.put(
    ORDER,
    "Replace the order",
    Scope.BILLING_WRITE,
    answer=Order,
    examples={"turned": {"order": [2, 1]}},
    if_match=True,
    problem=OrderProblem,
)
def replace_order(ctx: Context, client: ApiClient, body: NewOrder) -> Answer[Order] | Response:
    """The request is refused, with the current order, if the order has changed since it was read or
    if the new order does not contain the same methods.
    """
    seen = methods.read_order(ctx, client.account_id)
    try:
        preconditions.require(_etag(seen))
        reorder_methods(ctx, client.account_id, body.order, seen.order)
    except Stale as stale:
        ctx.session.rollback()
        order = methods.read_order(ctx, client.account_id)
        problem = Problem(412, stale.sentence, stale.code, {"order": order.order})
        response = problems.render(problem)
        response.set_etag(_etag(order))
        return response
    services().wake()
    return read_order(ctx, client)


def _etag(order: Order) -> str:
    return "order-" + "-".join(str(one) for one in order.order)
