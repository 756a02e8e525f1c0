"""A credit or debit before it is posted: the balance after it, and the refill it starts (T18)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.charge_now import ChargeNow, charged_by


@dataclass(frozen=True)
class Adjustment:
    balance: str
    balance_after: str
    """Empty while the amount cannot be read."""
    what: str
    """ "debit" or "credit"."""
    refill: str
    """ "This starts a refill of $200.00 to Visa •••• 3155"; empty where it starts none."""
    consequence: str
    confirmed: int
    """Micros that the button names; 0 where the refill is held."""
    is_held: bool
    button: str
    """ "Debit $150.00 and charge $200.00"."""
    faults: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By field name: what the button would be refused for."""


def read_adjustment(
    session: Session,
    account: Account,
    signed: int | None,
    now: datetime,
    policy: Policy,
    *,
    is_debit: bool,
    hold: bool,
) -> Adjustment:
    """`signed`: micros, below zero for a debit; None while the amount cannot be read."""
    at = top_ups.gather(session, account, now, policy)
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
    told = (
        f"The balance would be below the customer’s threshold of {threshold}. "
        f"After the refill it is {after}."
    )
    if charge.is_repeated:
        told += " That is still below the threshold, so further refills follow within the limits."
    return told
