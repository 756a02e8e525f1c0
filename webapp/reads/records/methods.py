"""Payment methods for programs."""

from datetime import datetime

from pydantic import Field

from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import MethodKind, MethodStatus, PaymentMethod
from webapp.domain.shared.context import Context
from webapp.reads.records.record import Id, Instant, Open, Record


class MethodRecord(Record):
    """A saved card or PayPal agreement."""

    id: Id
    position: int = Field(description="1-based; 1 is the primary, which is charged first.")
    kind: Open[MethodKind] = Field(description="The kind of the payment method.")
    name: str = Field(description="Display name: `Visa •••• 4242`.")
    brand: str = Field(description="The card's brand; empty for PayPal.")
    last4: str = Field(description="The card's last four digits; empty for PayPal.")
    expires: str = Field(description="`08/28`; empty for PayPal.")
    auto_charge: bool = Field(description="The customer's consent to automatic charges.")
    status: Open[MethodStatus] = Field(
        description="Only `ready` methods are charged automatically. `suspended` ends by itself; "
        "`barred` and `rested` end when the customer pays with the method."
    )
    suspended_until: Instant | None = Field(description="Set only while `auto_charge` is on.")
    reason: str = Field(
        description="Why the method is suspended or barred, in plain words; if `auto_charge` is "
        "off, why the last payment failed."
    )
    added_at: Instant = Field(description="When the method was added.")


class MethodList(Record):
    """Payment methods in the customer's order."""

    payment_methods: tuple[MethodRecord, ...] = Field(description="All payment methods.")


class Order(Record):
    """The order in which payment methods are charged."""

    order: tuple[int, ...] = Field(description="Ids of payment methods.")


def read_methods(ctx: Context, account_id: int) -> MethodList:
    listed = payment_methods.listed(ctx.session, account_id)
    return MethodList(payment_methods=tuple(method_record(method, ctx.now) for method in listed))


def read_method(ctx: Context, account_id: int, method_id: int) -> MethodRecord:
    """Raises `NotFound`."""
    return method_record(payment_methods.find(ctx.session, account_id, method_id), ctx.now)


def read_order(ctx: Context, account_id: int) -> Order:
    listed = payment_methods.listed(ctx.session, account_id)
    return Order(order=tuple(method.id for method in listed))


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
