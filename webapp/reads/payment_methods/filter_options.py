"""The options of a list's filter by payment method."""

from sqlalchemy import select

from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.context import Context


def method_choices(ctx: Context, account_id: int) -> tuple[tuple[str, str], ...]:
    """Return the options of a filter by method: id and name, removed methods last."""
    methods = ctx.session.scalars(
        select(PaymentMethod)
        .where(PaymentMethod.account_id == account_id)
        .order_by(PaymentMethod.removed_at.is_not(None), PaymentMethod.position, PaymentMethod.id)
    )
    return tuple(
        (str(method.id), method.label if method.removed_at is None else f"{method.label}, removed")
        for method in methods
    )
