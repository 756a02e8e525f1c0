"""Rows of the payment method list: status, badge and actions of each method."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from webapp.database.statements import select_columns
from webapp.domain.accounts.account import Account
from webapp.domain.events.timeline import Code
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import (
    EXPIRY_BADGE,
    MethodKind,
    MethodStatus,
    PaymentMethod,
)
from webapp.domain.payments.payment import Attempt, AttemptState
from webapp.domain.payments.queries import open_attempt_with
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.charge_now import charged_by, reordered, with_method
from webapp.domain.top_ups.top_up import Plan, PlanInput


@dataclass(frozen=True)
class Badge:
    text: str
    """ "39 days left", "Replace this card"."""
    tone: str
    """ "warn" or "bad"."""


@dataclass(frozen=True)
class RowMessage:
    """Result of the last action, shown once below a row."""

    text: str
    tone: str
    """ "ok" or "bad" (shown with role="alert")."""


@dataclass(frozen=True)
class MethodRow:
    id: int
    position: int
    """1-based."""
    name: str
    """ "Visa •••• 4242", "PayPal ana@example.com"."""
    brand: str
    """Brand icon: visa, mastercard, amex, discover, diners, jcb, unionpay, maestro or paypal."""
    detail: str
    """ "Expires 08/28", "Expired 10/26", "Linked 12 Mar 2026"; empty if there is trouble."""
    badge: Badge | None
    trouble: str
    """Replaces the detail: "Suspended until Tue 24 Nov, 10:02 · Insufficient funds", or "Last
    payment failed: Insufficient funds" if auto-charge is off (F1)."""
    trouble_icon: str
    """ "clock" (ends by itself) or "alert-triangle"."""
    status: str
    """ "Ready", "Manual only", "Charging $100.00", "Not charged"…; empty if Retry is shown."""
    status_tone: str
    """ "ok", "off" (hollow dot), "warn", "bad", or "plain" (no dot)."""
    auto_charge: bool
    is_primary: bool
    is_last: bool
    retry_attempt_id: int | None
    """The failed attempt that Retry repeats; None if there is nothing to retry."""
    order_up: str
    """Order of all methods after Move up, as ids joined by commas; empty on the first row."""
    order_down: str
    """Order of all methods after Move down; empty on the last row."""
    message: RowMessage | None = None
    is_fresh: bool = False
    """Just moved or added; the row flashes once."""
    charge_hint: str = ""
    """ "Turning this on charges $100.00 now." (T18); empty if it charges nothing."""
    charge_if_first: str = ""
    """ "$100.00": charged at once when this method is moved to the top; empty if nothing is."""
    up_charges: str = ""
    """ "First place charges $100.00 now" (T18), for Move up; `down_charges` is for Move down."""
    down_charges: str = ""
    is_retrying: bool = False
    """A payment with this suspended or blocked method is open: "Retrying" instead of Retry."""


OUT_OF_USE = (MethodStatus.SUSPENDED, MethodStatus.BARRED, MethodStatus.RESTED)
"""A successful Retry brings the method back."""


def joined_ids(methods: Sequence[PaymentMethod]) -> str:
    """Return the order of methods as a form value."""
    return ",".join(str(method.id) for method in methods)


def _swapped(ids: Sequence[str], upper: int) -> str:
    """Return the order with row `upper` and the row below it swapped."""
    return ",".join([*ids[:upper], ids[upper + 1], ids[upper], *ids[upper + 2 :]])


def read_rows(
    ctx: Context,
    account: Account,
    inputs: PlanInput,
    plan: Plan,
    messages: Mapping[int, RowMessage],
    fresh: int | None,
) -> tuple[MethodRow, ...]:
    rows, ids = [], [str(method.id) for method in inputs.methods]
    # `orders[index]` swaps the row with the one above; it is empty at both ends.
    orders = ["", *(_swapped(ids, upper) for upper in range(len(ids) - 1)), ""]
    charges = [""] * len(ids)
    if inputs.is_below:
        charges = [_charge_if_first(account, method, inputs) for method in inputs.methods]
    swap_charge = charges[1] if len(charges) > 1 else ""
    obstacles = {method.id: method.obstacle(inputs.now) for method in inputs.methods}
    # With auto-charge off, only the failed payment offers Retry (F4).
    out_of_use = {m.id for m in inputs.methods if m.auto_charge and obstacles[m.id] in OUT_OF_USE}
    retries = _last_failures(ctx, out_of_use)
    for index, method in enumerate(inputs.methods):
        obstacle, retry = obstacles[method.id], retries.get(method.id)
        trouble, icon = _trouble(method, obstacle, inputs)
        status, tone = _under_way(account, method, inputs) or _status(
            method, obstacle, inputs, plan
        )
        is_expired = obstacle is MethodStatus.EXPIRED
        rows.append(
            MethodRow(
                id=method.id,
                position=index + 1,
                name=method.label,
                brand=method.chip,
                detail="" if trouble else _detail(method, inputs, is_expired=is_expired),
                badge=None if trouble else _badge(method, inputs, is_expired=is_expired),
                trouble=trouble,
                trouble_icon=icon,
                status="" if retry else status,
                status_tone=tone,
                auto_charge=method.auto_charge,
                is_primary=index == 0,
                is_last=index == len(inputs.methods) - 1,
                retry_attempt_id=retry,
                order_up=orders[index],
                order_down=orders[index + 1],
                message=messages.get(method.id),
                is_fresh=method.id == fresh,
                charge_hint="" if method.auto_charge else _charge_hint(account, method, inputs),
                charge_if_first=charges[index],
                up_charges=f"First place charges {swap_charge} now"
                if swap_charge and index == 1
                else "",
                down_charges=f"This order charges {swap_charge} now"
                if swap_charge and index == 0
                else "",
                is_retrying=method.id in out_of_use and _is_open(ctx, method, inputs),
            )
        )
    return tuple(rows)


def _charge_hint(account: Account, method: PaymentMethod, inputs: PlanInput) -> str:
    charge = charged_by(inputs, with_method(inputs, method.id, auto_charge=True))
    return f"Turning this on charges {account.show(charge.amount)} now." if charge else ""


def _charge_if_first(account: Account, method: PaymentMethod, inputs: PlanInput) -> str:
    """Return the amount charged by moving the method to the top; only the top matters (T5)."""
    if method is inputs.methods[0]:
        return ""
    order = [method.id, *(other.id for other in inputs.methods if other is not method)]
    charge = charged_by(inputs, reordered(inputs, order))
    return account.show(charge.amount) if charge else ""


def _is_open(ctx: Context, method: PaymentMethod, inputs: PlanInput) -> bool:
    """Whether a payment is with the processor; an abandoned challenge does not block Retry."""
    if inputs.open_attempt is None:
        return False
    attempt = open_attempt_with(ctx.session, method.id)
    return attempt is not None and attempt.state != AttemptState.CHALLENGED


def _trouble(
    method: PaymentMethod, obstacle: MethodStatus | None, inputs: PlanInput
) -> tuple[str, str]:
    if obstacle is None:
        return "", ""
    why = reason(method.failure_code)
    if obstacle in OUT_OF_USE and not method.auto_charge:
        return f"Last payment failed: {why.sentence}", "alert-triangle"
    match obstacle:
        case MethodStatus.GONE:
            where = "PayPal" if method.kind == MethodKind.PAYPAL else "the bank"
            return f"No longer valid at {where} · Add it again", "alert-triangle"
        case MethodStatus.SUSPENDED if method.suspended_until is not None:
            until = datetimes.when(method.suspended_until, inputs.time_zone, inputs.now)
            return f"Suspended until {until} · {why.sentence}", "clock"
        case MethodStatus.BARRED:
            advice = why.advice.split(";")[0].split(",")[0].rstrip(".")
            return f"Out of use until you retry or replace it · {advice}", "alert-triangle"
        case MethodStatus.RESTED:
            return (
                "Out of use until you retry or replace it · 5 declines in a row",
                "alert-triangle",
            )
    return "", ""


def _detail(method: PaymentMethod, inputs: PlanInput, *, is_expired: bool) -> str:
    if method.kind == MethodKind.PAYPAL:
        return f"Linked {datetimes.day(method.created_at, inputs.time_zone, inputs.now)}"
    return f"{'Expired' if is_expired else 'Expires'} {method.expiry}"


def _badge(method: PaymentMethod, inputs: PlanInput, *, is_expired: bool) -> Badge | None:
    if is_expired:
        return Badge("Replace this card", "bad")
    days = method.days_left(inputs.now, inputs.time_zone)
    if days is None or days > EXPIRY_BADGE.days:
        return None
    if days <= 0:
        return Badge("Last day", "warn")
    return Badge("1 day left" if days == 1 else f"{days} days left", "warn")


def _under_way(
    account: Account, method: PaymentMethod, inputs: PlanInput
) -> tuple[str, str] | None:
    """Return status and tone while a refill charges this method."""
    attempt = inputs.open_attempt
    if attempt is None or not attempt.automatic or attempt.method_id != method.id:
        return None
    if attempt.state == AttemptState.STARTED:
        return f"Charging {account.show(attempt.amount)}", "plain"
    return "Waiting for outcome", "warn"


def _status(
    method: PaymentMethod, obstacle: MethodStatus | None, inputs: PlanInput, plan: Plan
) -> tuple[str, str]:
    if obstacle in (MethodStatus.GONE, MethodStatus.EXPIRED):
        return "Not charged", "bad"
    if plan.code is Code.PRIMARY_OFF:
        if method is inputs.methods[0]:
            return "Auto-charge off", "warn"
        return ("Won’t be charged", "off") if method.auto_charge else ("Manual only", "off")
    if not method.auto_charge:
        return "Manual only", "off"
    return ("Not charged", "bad") if obstacle else ("Ready", "ok")


_LAST_FAILED = (
    select(Attempt.method_id, func.max(Attempt.id).label("attempt_id"))
    .where(
        Attempt.method_id.in_(bindparam("method_ids", expanding=True)),
        Attempt.state == AttemptState.DECLINED,
    )
    .group_by(Attempt.method_id)
)


def _last_failures(ctx: Context, method_ids: Collection[int]) -> dict[int, int]:
    """Return each method's last failed attempt, which Retry on a suspended row repeats (F4)."""
    if not method_ids:
        return {}
    found = select_columns(ctx.session, _LAST_FAILED, {"method_ids": list(method_ids)})
    return {row.method_id: row.attempt_id for row in found}
