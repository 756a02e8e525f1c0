"""The Add Funds dialog: one chosen method, or the auto-charge order shown in advance (L4)."""

from dataclasses import dataclass
from datetime import datetime

from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import MethodStatus, PaymentMethod
from webapp.domain.payments import queries
from webapp.domain.payments.payment import Attempt, AttemptState
from webapp.domain.shared import datetimes, money
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import AmountFormat
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.explanations import out_of_use, plain

PRESETS = (1, 2, 5, 10)
"""Amounts on offer, as multiples of the recommended threshold: 50.00 to 500.00 by default."""
DEFAULT = 2


@dataclass(frozen=True)
class FundsMethod:
    id: int
    name: str
    brand: str
    note: str
    """ "Suspended. Paying with it restores it.", or empty."""
    is_primary: bool
    chosen: bool
    skipped: bool = False
    """In the chain: auto-charge is on, but the method cannot be charged; the note says why."""


@dataclass(frozen=True)
class OpenPayment:
    """An open payment that may still succeed, shown before a second one is confirmed (T15)."""

    payment_id: int
    title: str
    """ "A payment of $100.00 is pending"."""
    text: str
    """ "Visa •••• 4242, started today at 14:05. It may still succeed; …"."""


@dataclass(frozen=True)
class FundsDialog:
    kind: str
    """The open tab: "instant" or "auto_charge"."""
    amount: str
    """Field text."""
    amounts: AmountFormat
    bounds: str
    """ "$30.00 to $10,000.00"."""
    least: int
    """Lower bound in minor units, like `most`; for the script."""
    most: int
    presets: tuple[tuple[str, str], ...]
    """Field text and label: ("50.00", "$50")."""
    methods: tuple[FundsMethod, ...]
    chain: tuple[FundsMethod, ...]
    """For the tab Auto-charge: methods in the order they are charged, with skipped ones; empty if
    none can be charged."""
    chain_hint: str
    """ "PayPal ana@example.com is not used: its auto-charge is off.", or empty."""
    chain_refusal: str
    """Why no method can be charged; empty if one can."""
    balance: str
    balance_after: str
    """Balance plus the entered amount; empty while the amount is invalid."""
    open_payments: tuple[OpenPayment, ...]
    balance_if_open: str
    """Balance plus the entered amount and all open payments; empty while it is invalid."""
    open_micros: int
    """Sum of open payments."""
    balance_micros: int
    """For the script that updates the preview while the user types."""
    request_key: str
    errors: dict[str, str]


def read_funds(
    ctx: Context,
    account_id: int,
    request_key: str,
    *,
    kind: str = "instant",
    method_id: int | None = None,
    amount: str | None = None,
    errors: dict[str, str] | None = None,
) -> FundsDialog:
    account = ctx.session.get_one(Account, account_id)
    inputs = top_ups.gather(ctx, account)
    bounds = inputs.bounds
    ids = [method.id for method in inputs.methods]
    chosen = method_id if method_id in ids else next(iter(ids), None)
    consented = bool(inputs.methods) and inputs.methods[0].auto_charge
    chain = top_ups.chargeable(inputs) if consented else ()
    amounts, advice = account.amounts, inputs.bounds.threshold_advice
    amount = amounts.field(DEFAULT * advice) if amount is None else amount
    open_attempts = queries.open_attempts(ctx.session, account_id)
    open_sum = sum(attempt.amount for attempt in open_attempts)
    try:
        paid = amounts.read(amount)
    except money.BadAmount:
        paid = None
    return FundsDialog(
        kind=kind,
        amount=amount,
        amounts=amounts,
        bounds=f"{account.show(bounds.payment_min)} to {account.show(bounds.payment_max)}",
        least=bounds.payment_min // bounds.minor_unit,
        most=bounds.payment_max // bounds.minor_unit,
        presets=tuple(
            (amounts.field(times * advice), amounts.whole(times * advice // money.MICROS))
            for times in PRESETS
        ),
        methods=tuple(_funds_method(m, inputs, chosen) for m in inputs.methods),
        chain=_chain(inputs) if chain else (),
        chain_hint=_not_used(inputs),
        chain_refusal="" if chain else _chain_refusal(inputs, consented),
        balance=account.show(account.balance),
        balance_after="" if paid is None else account.show(account.balance + paid),
        open_payments=tuple(_open(account, attempt, ctx.now) for attempt in open_attempts),
        balance_if_open="" if paid is None else account.show(account.balance + paid + open_sum),
        open_micros=open_sum,
        balance_micros=account.balance,
        request_key=request_key,
        errors=errors or {},
    )


def _open(account: Account, attempt: Attempt, now: datetime) -> OpenPayment:
    when = datetimes.within(datetimes.since(attempt.started_at, account.time_zone, now))
    method = attempt.method.label if attempt.method else "A payment"
    asked = attempt.state == AttemptState.CHALLENGED
    amount = account.show(attempt.amount)
    return OpenPayment(
        payment_id=attempt.payment_id,
        title=f"A payment of {amount} is "
        + ("waiting for your bank’s confirmation" if asked else "pending"),
        text=(
            f"{method}, started {when}. It may still succeed; a second payment would be charged "
            "too."
        ),
    )


def _funds_method(
    method: PaymentMethod, inputs: top_ups.PlanInput, chosen: int | None
) -> FundsMethod:
    note = ""
    match method.obstacle(inputs.now):
        case MethodStatus.SUSPENDED | MethodStatus.BARRED | MethodStatus.RESTED if (
            not method.auto_charge
        ):
            note = f"Last payment failed: {reason(method.failure_code).sentence}."
        case MethodStatus.SUSPENDED:
            note = "Suspended. Paying with it restores it."
        case MethodStatus.BARRED | MethodStatus.RESTED:
            note = "Out of use. Paying with it restores it."
        case MethodStatus.EXPIRED:
            note = "Expired."
    return FundsMethod(
        id=method.id,
        name=method.label,
        brand=method.chip,
        note=note,
        is_primary=method is inputs.methods[0],
        chosen=method.id == chosen,
    )


def _chain(inputs: top_ups.PlanInput) -> tuple[FundsMethod, ...]:
    chargeable = top_ups.chargeable(inputs)
    return tuple(
        FundsMethod(
            id=method.id,
            name=method.label,
            brand=method.chip,
            note="" if method in chargeable else _why_skipped(method, inputs),
            is_primary=method is inputs.methods[0],
            chosen=False,
            skipped=method not in chargeable,
        )
        for method in inputs.methods
        if method.auto_charge
    )


def _why_skipped(method: PaymentMethod, inputs: top_ups.PlanInput) -> str:
    """Return the note below a skipped method: "Skipped until Tue 24 Nov, 10:02"."""
    words = plain(out_of_use(method, inputs)).removeprefix(f"{method.label} is ").removesuffix(".")
    return f"{words[0].upper()}{words[1:]}"


def _not_used(inputs: top_ups.PlanInput) -> str:
    names = [method.label for method in inputs.methods if not method.auto_charge]
    if not names:
        return ""
    is_or_are, whose = ("is", "its") if len(names) == 1 else ("are", "their")
    return f"{' and '.join(names)} {is_or_are} not used: {whose} auto-charge is off."


def _chain_refusal(inputs: top_ups.PlanInput, consented: bool) -> str:
    if not inputs.methods:
        return "No payment method is saved."
    if not any(method.auto_charge for method in inputs.methods):
        return "No payment method has auto-charge on."
    if not consented:
        return f"Auto-charge is off for your primary method, {inputs.methods[0].label}."
    return "Every method with auto-charge on is out of use."
