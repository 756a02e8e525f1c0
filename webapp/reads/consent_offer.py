"""Adding a method offers consent where nothing is chargeable and refill is on (M12)."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import top_ups
from webapp.domain.accounts import Account
from webapp.domain.payment_methods import PaymentMethod
from webapp.domain.policy import Policy
from webapp.domain.top_ups import Situation

NOT_OFFERED = "PayPal is not offered on this account. Ask your provider to allow it."


@dataclass(frozen=True)
class ConsentOffer:
    """A box that is not ticked: "Use it for automatic payments"."""

    consequence: str
    """What would be charged at once, or what ticking it means."""


@dataclass(frozen=True)
class PayPalDialog:
    allowed: bool
    how_to_ask: str
    """Where the operator has not allowed it (M11); else empty."""
    offer: ConsentOffer | None


def read_consent_offer(
    session: Session, account_id: int, now: datetime, policy: Policy
) -> ConsentOffer | None:
    """None where there is nothing to offer: the first method has auto-charge on anyway (M4)."""
    account = session.get_one(Account, account_id)
    at = top_ups.gather(session, account, now, policy)
    if not at.methods or not at.choice.refill_on or top_ups.chargeable(at):
        return None
    return ConsentOffer(_consequence(account, at))


def read_paypal(
    session: Session, account_id: int, now: datetime, policy: Policy, *, offered: bool
) -> PayPalDialog:
    """`offered`: this installation has somebody who charges agreements."""
    allowed = offered and session.get_one(Account, account_id).paypal_allowed
    offer = read_consent_offer(session, account_id, now, policy)
    return PayPalDialog(allowed, "" if allowed else NOT_OFFERED, offer)


def _consequence(account: Account, at: Situation) -> str:
    threshold = account.show(at.choice.threshold or 0)
    if not at.methods[0].auto_charge:
        return (
            f"It is charged only after auto-charge is on for {at.methods[0].label}, "
            "your primary method, or another is made primary."
        )
    if not at.is_below:
        return f"It is charged when your balance falls below {threshold}."
    imagined = PaymentMethod(id=0, auto_charge=True, declines_in_a_row=0)
    plan = top_ups.plan(replace(at, methods=(*at.methods, imagined)))
    if not plan.charges:
        return "It is charged when automatic payments go on."
    return (
        f"Your balance is {account.show(at.balance)}, below {threshold}: "
        f"{account.show(plan.amount)} would be charged to it at once."
    )
