"""What the dialogs show. Every dialog that takes money shows the balance before and after."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import moments, money, payment_methods, payments, top_ups
from webapp.domain.accounts import Account
from webapp.domain.decisions import Code
from webapp.domain.declines import reason
from webapp.domain.errors import NotFound
from webapp.domain.explanations import out_of_use
from webapp.domain.payment_methods import MethodKind, PaymentMethod, Standing
from webapp.domain.payments import AttemptState
from webapp.domain.policy import Policy

PRESETS = (50, 100, 250, 500)


@dataclass(frozen=True)
class RetryDialog:
    attempt_id: int
    method_id: int
    amount: str
    """ "$250.00": the title asks "Retry $250.00?"."""
    method: str
    brand: str
    declined: str
    """ "Declined today, 10:02 · Insufficient funds"."""
    advice: str
    consequence: str
    """What success and failure will change."""
    balance_before: str
    balance_after: str
    can_restore: bool
    """Offer Restore without paying: the method is out of use."""
    request_key: str


@dataclass(frozen=True)
class RemovalDialog:
    method_id: int
    method: str
    consequence: str
    """ "Mastercard •••• 4444 becomes primary, and automatic refills continue with it. Past…"."""


@dataclass(frozen=True)
class FundsMethod:
    id: int
    name: str
    brand: str
    note: str
    """ "Primary" at the right, or "Suspended. Paying with it restores it." below the name."""
    is_primary: bool
    chosen: bool
    skipped: bool = False
    """In the chain: consented to, but passed over now; the note says why."""


@dataclass(frozen=True)
class FundsDialog:
    kind: str
    """The open tab: "instant" or "auto_charge"."""
    amount: str
    """Field text."""
    symbol: str
    currency: str
    bounds: str
    """ "$30.00 to $10,000.00"."""
    presets: tuple[tuple[str, str], ...]
    """Field text and label: ("50.00", "$50")."""
    methods: tuple[FundsMethod, ...]
    chain: tuple[FundsMethod, ...]
    """For the tab Auto-charge: who is charged, in order, and who is passed over; empty if nobody
    can be charged."""
    chain_hint: str
    """ "PayPal ana@example.com is not used: its auto-charge is off.", or empty."""
    chain_refusal: str
    """Why the chain cannot be charged; else empty."""
    balance: str
    balance_after: str
    """With the amount as it stands; empty while the amount is no amount."""
    balance_micros: int
    """For the running sum as one types; drawing only."""
    request_key: str
    errors: dict[str, str]


def read_retry(
    session: Session, account_id: int, attempt_id: int, request_key: str, now: datetime
) -> RetryDialog:
    """Raises `NotFound`, also for what is not a failed payment of a listed method."""
    account = session.get_one(Account, account_id)
    failed = payments.find_attempt(session, account_id, attempt_id)
    method = failed.method
    if failed.state != AttemptState.DECLINED or method is None or method.removed_at is not None:
        raise NotFound("That failed payment")
    why = reason(failed.decline_code)
    when = moments.since(failed.declined_at or failed.started_at, account.time_zone, now)
    out = method.obstacle(now)
    return RetryDialog(
        attempt_id=failed.id,
        method_id=method.id,
        amount=account.show(failed.amount),
        method=method.label,
        brand=_brand(method),
        declined=f"Declined {moments.within(when)} · {why.sentence}",
        advice=why.advice,
        consequence=_retry_consequence(out),
        balance_before=account.show(account.balance),
        balance_after=account.show(account.balance + failed.amount),
        can_restore=out in (Standing.SUSPENDED, Standing.BARRED, Standing.RESTED),
        request_key=request_key,
    )


def read_removal(
    session: Session, account_id: int, method_id: int, now: datetime, policy: Policy
) -> RemovalDialog:
    """What removing will change (M10). Raises `NotFound`."""
    account = session.get_one(Account, account_id)
    method = payment_methods.find(session, account_id, method_id)
    at = top_ups.gather(session, account, now, policy)
    return RemovalDialog(method.id, method.label, _removal_consequence(method, at, account))


def read_funds(
    session: Session,
    account_id: int,
    now: datetime,
    policy: Policy,
    request_key: str,
    *,
    kind: str = "instant",
    method_id: int | None = None,
    amount: str = "100.00",
    errors: dict[str, str] | None = None,
) -> FundsDialog:
    account = session.get_one(Account, account_id)
    at = top_ups.gather(session, account, now, policy)
    ids = [method.id for method in at.methods]
    chosen = method_id if method_id in ids else next(iter(ids), None)
    consented = bool(at.methods) and at.methods[0].auto_charge
    chain = top_ups.chargeable(at) if consented else ()
    symbol = money.symbol(account.currency, account.locale)
    try:
        after = account.show(account.balance + money.parse(amount))
    except money.BadAmount:
        after = ""
    return FundsDialog(
        kind=kind,
        amount=amount,
        symbol=symbol,
        currency=account.currency,
        bounds=f"{account.show(policy.payment_min)} to {account.show(policy.payment_max)}",
        presets=tuple((f"{units}.00", f"{symbol}{units}") for units in PRESETS),
        methods=tuple(_funds_method(m, at, chosen) for m in at.methods),
        chain=_chain(at) if chain else (),
        chain_hint=_not_used(at),
        chain_refusal="" if chain else _chain_refusal(at, consented),
        balance=account.show(account.balance),
        balance_after=after,
        balance_micros=account.balance,
        request_key=request_key,
        errors=errors or {},
    )


def _brand(method: PaymentMethod) -> str:
    return "paypal" if method.kind == MethodKind.PAYPAL else method.brand


def _retry_consequence(out: Standing | None) -> str:
    if out is Standing.EXPIRED:
        return "The card has expired, so automatic payments stay without it even if this succeeds."
    if out is None:
        return "If it is declined, this method is suspended for 48 hours."
    return (
        "If the payment succeeds, this method is back in use at once. "
        "If it is declined, the 48 hours start over."
    )


def _removal_consequence(method: PaymentMethod, at: top_ups.Situation, account: Account) -> str:
    rest = tuple(m for m in at.methods if m.id != method.id)
    parts = []
    if at.methods[0].id == method.id and rest:
        parts.append(f"{rest[0].label} becomes primary")
    after = top_ups.plan(replace(at, methods=rest).just_below())
    before = top_ups.plan(at.just_below())
    if before.charges and not after.charges:
        stop = "automatic payments stop"
        if after.code is Code.PRIMARY_OFF:
            stop += ", because its auto-charge is off"
        parts.append(stop)
    elif before.charges and parts and after.methods[0] is rest[0]:
        parts.append("automatic refills continue with it")
    text = ", and ".join(parts)
    text = f"{text[0].upper()}{text[1:]}. " if text else ""
    return f"{text}Past payments stay readable."


def _funds_method(method: PaymentMethod, at: top_ups.Situation, chosen: int | None) -> FundsMethod:
    note = ""
    match method.obstacle(at.now):
        case Standing.SUSPENDED:
            note = "Suspended. Paying with it restores it."
        case Standing.BARRED | Standing.RESTED:
            note = "Out of use. Paying with it restores it."
        case Standing.EXPIRED:
            note = "Expired."
    return FundsMethod(
        id=method.id,
        name=method.label,
        brand=_brand(method),
        note=note,
        is_primary=method is at.methods[0],
        chosen=method.id == chosen,
    )


def _chain(at: top_ups.Situation) -> tuple[FundsMethod, ...]:
    chargeable = top_ups.chargeable(at)
    return tuple(
        FundsMethod(
            id=method.id,
            name=method.label,
            brand=_brand(method),
            note="" if method in chargeable else _passed_over(method, at),
            is_primary=method is at.methods[0],
            chosen=False,
            skipped=method not in chargeable,
        )
        for method in at.methods
        if method.auto_charge
    )


def _passed_over(method: PaymentMethod, at: top_ups.Situation) -> str:
    """ "Skipped until Tue 24 Nov, 10:02": as it stands under the name."""
    words = out_of_use(method, at).removeprefix("is ")
    return f"{words[0].upper()}{words[1:]}"


def _not_used(at: top_ups.Situation) -> str:
    names = [method.label for method in at.methods if not method.auto_charge]
    if not names:
        return ""
    is_or_are, whose = ("is", "its") if len(names) == 1 else ("are", "their")
    return f"{' and '.join(names)} {is_or_are} not used: {whose} auto-charge is off."


def _chain_refusal(at: top_ups.Situation, consented: bool) -> str:
    if not at.methods:
        return "No payment method is saved."
    if not any(method.auto_charge for method in at.methods):
        return "No payment method has auto-charge on."
    if not consented:
        return f"Auto-charge is off for your primary method, {at.methods[0].label}."
    return "Every method with auto-charge on is out of use."
