"""Preview of a credit or debit: the balance after it, and the refill that it starts (T18)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.charge_now import ChargeNow, charged_by


@dataclass(frozen=True)
class Adjustment:
    balance: str
    balance_after: str
    """Empty while the amount is invalid."""
    what: str
    """ "debit" or "credit"."""
    refill: str
    """ "This starts a refill of $200.00 to Visa •••• 3155"; empty if it starts none."""
    consequence: str
    confirmed: int
    """Refill amount on the button, in micros; 0 if there is none or it is on hold."""
    is_held: bool
    button: str
    """ "Debit $150.00 and charge $200.00"."""
    faults: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Validation errors by field name."""


def read_adjustment(
    ctx: Context, account: Account, signed: int | None, *, is_debit: bool, hold: bool
) -> Adjustment:
    """Preview an adjustment of `signed` micros, negative for a debit; None if invalid."""
    at = top_ups.gather(ctx, account)
    charge = charged_by(at, replace(at, balance=at.balance + signed)) if signed else None
    verb = "Debit" if is_debit else "Credit"
    button = f"{verb} {account.show(abs(signed))}" if signed else verb
    if charge is not None and not hold:
        button += f" and charge {account.show(charge.amount)}"
    return Adjustment(
        balance=account.show(at.balance),
        balance_after=account.show(at.balance + signed) if signed else "",
        what=verb.lower(),
        refill=f"This starts a refill of {account.show(charge.amount)} to {charge.method}"
        if charge
        else "",
        consequence=_consequence(account, charge) if charge else "",
        confirmed=charge.amount if charge and not hold else 0,
        is_held=hold,
        button=button,
    )


def _consequence(account: Account, charge: ChargeNow) -> str:
    threshold = account.show(charge.threshold)
    after = account.show(charge.balance_after)
    text = (
        f"The balance would be below the customer’s threshold of {threshold}. "
        f"After the refill it would be {after}."
    )
    if charge.is_repeated:
        text += " That is still below the threshold, so more refills follow within the limits."
    return text
