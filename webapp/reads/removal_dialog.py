"""Removing asks first, and says what will change (M10)."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import payment_methods, top_ups
from webapp.domain.accounts import Account
from webapp.domain.decisions import Code
from webapp.domain.payment_methods import PaymentMethod
from webapp.domain.policy import Policy

NO_CONSENT = (Code.NO_METHOD, Code.PRIMARY_OFF)


@dataclass(frozen=True)
class RemovalDialog:
    method_id: int
    method: str
    consequence: str
    """ "Mastercard •••• 4444 becomes primary, and automatic refills continue with it. Past…"."""


def read_removal(
    session: Session, account_id: int, method_id: int, now: datetime, policy: Policy
) -> RemovalDialog:
    """What removing will change (M10). Raises `NotFound`."""
    account = session.get_one(Account, account_id)
    method = payment_methods.find(session, account_id, method_id)
    at = top_ups.gather(session, account, now, policy)
    return RemovalDialog(method.id, method.label, _removal_consequence(method, at, account))


def _removal_consequence(method: PaymentMethod, at: top_ups.Situation, account: Account) -> str:
    rest = tuple(m for m in at.methods if m.id != method.id)
    parts = []
    if at.methods[0].id == method.id and rest:
        parts.append(f"{rest[0].label} becomes primary")
    at = at.at_rest().just_below()
    after, before = top_ups.plan(replace(at, methods=rest)), top_ups.plan(at)
    if after.code in NO_CONSENT and before.code not in (*NO_CONSENT, Code.REFILL_OFF):
        stop = "automatic payments stop"
        if after.code is Code.PRIMARY_OFF:
            stop += ", because its auto-charge is off"
        parts.append(stop)
    elif after.charges and parts and after.methods[0] is rest[0]:
        parts.append("automatic refills continue with it")
    text = ", and ".join(parts)
    text = f"{text[0].upper()}{text[1:]}. " if text else ""
    return f"{text}Past payments stay readable."
