"""Payment methods for programs."""

from dataclasses import dataclass
from datetime import datetime

from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import MethodKind, MethodStatus, PaymentMethod
from webapp.domain.shared.context import Context


@dataclass(frozen=True)
class MethodRecord:
    """A saved card or PayPal agreement."""

    id: int
    position: int
    """1-based; 1 is the primary, which is charged first."""
    kind: MethodKind
    name: str
    """Display name: `Visa •••• 4242`."""
    brand: str
    last4: str
    expires: str
    """`08/28`; empty for PayPal."""
    auto_charge: bool
    """The customer's consent to automatic charges."""
    status: MethodStatus
    """Only `ready` methods are charged automatically. `suspended` ends by itself; `barred` and
    `rested` end when the customer pays with the method."""
    suspended_until: datetime | None
    """Set only while `auto_charge` is on."""
    reason: str
    """Why the method is suspended or barred, in plain words; if `auto_charge` is off, why the last
    payment failed."""
    added_at: datetime


@dataclass(frozen=True)
class MethodList:
    """Payment methods in the customer's order."""

    payment_methods: tuple[MethodRecord, ...]


@dataclass(frozen=True)
class Order:
    """The order in which payment methods are charged."""

    order: tuple[int, ...]
    """Ids of payment methods."""


def read_methods(ctx: Context, account_id: int) -> MethodList:
    listed = payment_methods.listed(ctx.session, account_id)
    return MethodList(tuple(method_record(method, ctx.now) for method in listed))


def read_method(ctx: Context, account_id: int, method_id: int) -> MethodRecord:
    """Raises `NotFound`."""
    return method_record(payment_methods.find(ctx.session, account_id, method_id), ctx.now)


def read_order(ctx: Context, account_id: int) -> Order:
    return Order(tuple(method.id for method in payment_methods.listed(ctx.session, account_id)))


def method_record(method: PaymentMethod, now: datetime) -> MethodRecord:
    out = method.obstacle(now)
    failed = out in (MethodStatus.SUSPENDED, MethodStatus.BARRED, MethodStatus.RESTED)
    return MethodRecord(
        id=method.id,
        position=method.position,
        kind=MethodKind(method.kind),
        name=method.label,
        brand=method.chip,
        last4=method.last4,
        expires=method.expiry,
        auto_charge=method.auto_charge,
        status=method.standing(now),
        suspended_until=method.suspension(now),
        reason=reason(method.failure_code).sentence if failed else "",
        added_at=method.created_at,
    )
