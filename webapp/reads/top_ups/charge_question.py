"""The confirmation before an action that charges at once (T18)."""

from dataclasses import dataclass

from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.charge_now import ChargeNow


@dataclass(frozen=True)
class ChargeQuestion:
    title: str
    """ "Turn on and charge $130.00?"."""
    button: str
    """ "Turn on and charge $130.00"."""
    amount: str
    method: str
    method_id: int
    brand: str
    reason: str
    """Why it charges, and what follows."""
    balance_before: str
    balance_after: str
    confirmed: int
    """Confirmed amount in micros, sent back with the form."""


def read_charge_question(ctx: Context, charge: ChargeNow, press: str) -> ChargeQuestion:
    """`press` is the button's label without the charge."""
    account = ctx.session.get_one(Account, charge.account_id)
    amount = account.show(charge.amount)
    return ChargeQuestion(
        title=f"{press} and charge {amount}?",
        button=f"{press} and charge {amount}",
        amount=amount,
        method=charge.method,
        method_id=charge.method_id,
        brand=charge.brand,
        reason=why_it_charges(account, charge),
        balance_before=account.show(charge.balance),
        balance_after=account.show(charge.balance_after),
        confirmed=charge.amount,
    )


def why_it_charges(account: Account, charge: ChargeNow) -> str:
    threshold = account.show(charge.threshold)
    reason = f"Automatic refill is on, and the balance is below {threshold}."
    if charge.falls_back:
        reason += " If this method is declined, the next one is charged instead."
    if charge.is_repeated:
        reason += (
            f" The balance is still below {threshold} afterwards, so more refills follow within "
            "the limits."
        )
    return reason
