"""Payment methods: the list, its order, consent, and removal. Cards are added by people."""

from dataclasses import dataclass
from typing import Annotated

from flask.typing import ResponseReturnValue

from webapp.actions.payment_methods.remove_method import remove_method
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.actions.payment_methods.set_auto_charge import set_auto_charge as set_consent
from webapp.api.http import bodies, preconditions, problems
from webapp.api.http.answers import answer, nothing
from webapp.api.http.authentication import permit
from webapp.api.http.blueprint import noun
from webapp.api.http.problems import Problem, ProblemDetails
from webapp.api.openapi import schemas
from webapp.api.openapi.fields import Id, Many
from webapp.api.openapi.operations import Group, Link, operation
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.errors import Stale
from webapp.extensions import db, services
from webapp.reads.records import methods
from webapp.reads.records.methods import MethodList, MethodRecord, Order

blueprint = noun("payment_methods")

FIRST = Link("read_payment_method", "method_id", "/payment_methods/0/id")


@dataclass(frozen=True)
class Consent:
    """Whether a method may be charged unasked."""

    on: bool


@dataclass(frozen=True)
class NewOrder:
    order: Annotated[tuple[Id, ...], Many(0, 1_000)]
    """The ids of all methods, the primary first."""


@dataclass(frozen=True)
class OrderProblem(ProblemDetails):
    """Nothing was moved."""

    order: tuple[int, ...] = ()
    """How it stands now."""


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
    machine = permit(Scope.BILLING_READ)
    return answer(methods.read_methods(db.session(), machine.account_id, services().clock.now()))


@blueprint.get("/payment-methods/<int:method_id>")
@operation(
    "Read a payment method", Group.METHODS, Scope.BILLING_READ, answer=MethodRecord, has_etag=True
)
def read_payment_method(method_id: int) -> ResponseReturnValue:
    machine = permit(Scope.BILLING_READ)
    now = services().clock.now()
    return answer(methods.read_method(db.session(), machine.account_id, method_id, now))


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
    """Switched on, the method may be charged at once if the balance is below the threshold."""
    machine = permit(Scope.BILLING_WRITE)
    account_id, now = machine.account_id, services().clock.now()
    consent = schemas.read(Consent, bodies.read_json())
    session = db.session()
    set_consent(session, account_id, method_id, consent.on, machine.actor, now, services().policy)
    services().wake()
    return answer(methods.read_method(session, account_id, method_id, now))


@blueprint.delete("/payment-methods/<int:method_id>")
@operation(
    "Remove a payment method",
    Group.METHODS,
    Scope.BILLING_WRITE,
    status=204,
    problems=("payment_open", "just_paid"),
)
def remove_payment_method(method_id: int) -> ResponseReturnValue:
    """It is gone from the list at once, and revoked at the processor. The next one in the order
    becomes the primary; where none may be charged, automatic payments stop.
    """
    machine = permit(Scope.BILLING_WRITE)
    around = (machine.actor, services().processors, services().clock, services().policy)
    remove_method(db.session(), machine.account_id, method_id, *around)
    services().wake()
    return nothing()


@blueprint.get("/payment-methods/order")
@operation("Read the order", Group.METHODS, Scope.BILLING_READ, answer=Order, has_etag=True)
def read_order() -> ResponseReturnValue:
    machine = permit(Scope.BILLING_READ)
    order = methods.read_order(db.session(), machine.account_id)
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
    """Refused with the order that stands where that is not what was read, or where the new one
    does not name the same methods.
    """
    machine = permit(Scope.BILLING_WRITE)
    account_id, session = machine.account_id, db.session()
    wished = schemas.read(NewOrder, bodies.read_json()).order
    seen = methods.read_order(session, account_id)
    actor, now = machine.actor, services().clock.now()
    try:
        preconditions.require(_version(seen))
        reorder_methods(session, account_id, wished, seen.order, actor, now, services().policy)
    except Stale as stale:
        return _refused(account_id, stale)
    services().wake()
    order = methods.read_order(session, account_id)
    return answer(order, version=_version(order))


def _version(order: Order) -> str:
    return "order-" + "-".join(str(one) for one in order.order)


def _refused(account_id: int, stale: Stale) -> ResponseReturnValue:
    session = db.session()
    session.rollback()
    order = methods.read_order(session, account_id)
    problem = Problem(412, stale.sentence, stale.code, {"order": order.order})
    response = problems.render(problem)
    response.set_etag(_version(order))
    return response
