"""Payment methods: list, order, auto-charge and removal. Only people can add methods."""

from dataclasses import dataclass
from typing import Annotated

from flask.typing import ResponseReturnValue

from webapp.actions.payment_methods.remove_method import remove_method
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.actions.payment_methods.set_auto_charge import set_auto_charge as set_consent
from webapp.api.http import bodies, preconditions, problems
from webapp.api.http.answers import answer, no_content
from webapp.api.http.authentication import permit
from webapp.api.http.blueprint import api_blueprint
from webapp.api.http.problems import Problem, ProblemDetails
from webapp.api.openapi import schemas
from webapp.api.openapi.fields import Id, Many
from webapp.api.openapi.operations import Group, Link, operation
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.errors import Stale
from webapp.extensions import db, make_context, services
from webapp.reads.records import methods
from webapp.reads.records.methods import MethodList, MethodRecord, Order

blueprint = api_blueprint("payment_methods")

FIRST = Link("read_payment_method", "method_id", "/payment_methods/0/id")


@dataclass(frozen=True)
class Consent:
    """Consent to automatic charges of a payment method."""

    on: bool
    """Whether the method may be charged automatically."""


@dataclass(frozen=True)
class NewOrder:
    """A new order of the payment methods."""

    order: Annotated[tuple[Id, ...], Many(0, 1_000)]
    """The ids of all payment methods, the primary first."""


@dataclass(frozen=True)
class OrderProblem(ProblemDetails):
    """A refused change of the order."""

    order: tuple[int, ...] = ()
    """The current order."""


@blueprint.get("/payment-methods")
@operation(
    "List payment methods",
    Group.METHODS,
    Scope.BILLING_READ,
    answer=MethodList,
    has_etag=True,
    links={"first": FIRST, "removed": Link("remove_payment_method", FIRST.parameter, FIRST.at)},
)
def list_payment_methods() -> ResponseReturnValue:
    """List the payment methods in the customer's order; the first one is the primary."""
    client = permit(Scope.BILLING_READ)
    return answer(methods.read_methods(make_context(), client.account_id))


@blueprint.get("/payment-methods/<int:method_id>")
@operation(
    "Read a payment method", Group.METHODS, Scope.BILLING_READ, answer=MethodRecord, has_etag=True
)
def read_payment_method(method_id: int) -> ResponseReturnValue:
    """Read a payment method and whether it can be charged automatically."""
    client = permit(Scope.BILLING_READ)
    ctx = make_context(client.actor)
    return answer(methods.read_method(ctx, client.account_id, method_id))


@blueprint.put("/payment-methods/<int:method_id>/auto-charge")
@operation(
    "Switch auto-charge",
    Group.METHODS,
    Scope.BILLING_WRITE,
    answer=MethodRecord,
    body=Consent,
    examples={"on": {"on": True}, "off": {"on": False}},
)
def set_auto_charge(method_id: int) -> ResponseReturnValue:
    """If you switch auto-charge on while a refill is due, the method may be charged at once."""
    client = permit(Scope.BILLING_WRITE)
    account_id, now = client.account_id, services().clock.now()
    consent = schemas.read(Consent, bodies.read_json())
    set_consent(make_context(client.actor).at(now), account_id, method_id, consent.on)
    services().wake()
    return answer(methods.read_method(make_context().at(now), account_id, method_id))


@blueprint.delete("/payment-methods/<int:method_id>")
@operation(
    "Remove a payment method",
    Group.METHODS,
    Scope.BILLING_WRITE,
    status=204,
    problems=("payment_open", "just_paid"),
)
def remove_payment_method(method_id: int) -> ResponseReturnValue:
    """The method is removed from the list and revoked at the processor. If it was the primary, the
    next one in the order becomes the primary. Automatic refills stop if no other method can be
    charged.
    """
    client = permit(Scope.BILLING_WRITE)
    remove_method(make_context(client.actor), client.account_id, method_id)
    services().wake()
    return no_content()


@blueprint.get("/payment-methods/order")
@operation("Read the order", Group.METHODS, Scope.BILLING_READ, answer=Order, has_etag=True)
def read_order() -> ResponseReturnValue:
    """Read the order of the payment methods. Send the `ETag` as `If-Match` to replace it."""
    client = permit(Scope.BILLING_READ)
    order = methods.read_order(make_context(), client.account_id)
    return answer(order, version=_version(order))


@blueprint.put("/payment-methods/order")
@operation(
    "Replace the order",
    Group.METHODS,
    Scope.BILLING_WRITE,
    answer=Order,
    body=NewOrder,
    examples={"turned": {"order": [2, 1]}},
    if_match=True,
    has_etag=True,
    problem=OrderProblem,
)
def replace_order() -> ResponseReturnValue:
    """The request is refused, with the current order, if the order has changed since it was read or
    if the new order does not contain the same methods.
    """
    client = permit(Scope.BILLING_WRITE)
    account_id = client.account_id
    new_order = schemas.read(NewOrder, bodies.read_json()).order
    seen = methods.read_order(make_context(), account_id)
    actor, now = client.actor, services().clock.now()
    try:
        preconditions.require(_version(seen))
        reorder_methods(make_context(actor).at(now), account_id, new_order, seen.order)
    except Stale as stale:
        return _refused(account_id, stale)
    services().wake()
    order = methods.read_order(make_context(), account_id)
    return answer(order, version=_version(order))


def _version(order: Order) -> str:
    return "order-" + "-".join(str(one) for one in order.order)


def _refused(account_id: int, stale: Stale) -> ResponseReturnValue:
    session = db.session()
    session.rollback()
    order = methods.read_order(make_context(), account_id)
    problem = Problem(412, stale.sentence, stale.code, {"order": order.order})
    response = problems.render(problem)
    response.set_etag(_version(order))
    return response
