"""The confirmation dialog before a payment method is removed (M10)."""

from dataclasses import dataclass, replace

from webapp.domain.accounts.account import Account
from webapp.domain.events.timeline import Code
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.charge_now import charged_by, without_method
from webapp.reads.top_ups.charge_question import why_it_charges

NO_CONSENT = (Code.NO_METHOD, Code.PRIMARY_OFF)


@dataclass(frozen=True)
class RemovalDialog:
    method_id: int
    method: str
    charge: str
    """ "$100.00": charged to the next method at once by removing this one (T18); else empty."""
    confirmed: int
    """`charge` in micros."""
    consequence: str
    """ "Mastercard •••• 4444 becomes primary, and automatic refills continue with it. Past…"."""


def read_removal(ctx: Context, account_id: int, method_id: int) -> RemovalDialog:
    """Read the dialog with the consequences of removing (M10). Raises `NotFound`."""
    account = ctx.session.get_one(Account, account_id)
    method = payment_methods.find(ctx.session, account_id, method_id)
    inputs = top_ups.gather(ctx, account)
    charge = charged_by(inputs, without_method(inputs, method.id))
    consequence = _removal_consequence(method, inputs, account)
    if charge is not None:
        amount = account.show(charge.amount)
        consequence += f" Removing it charges {amount} to {charge.method} now."
        consequence += f" {why_it_charges(account, charge)}"
    return RemovalDialog(
        method_id=method.id,
        method=method.label,
        charge=account.show(charge.amount) if charge else "",
        confirmed=charge.amount if charge else 0,
        consequence=consequence,
    )


def _removal_consequence(method: PaymentMethod, inputs: top_ups.PlanInput, account: Account) -> str:
    rest = tuple(m for m in inputs.methods if m.id != method.id)
    parts = []
    if inputs.methods[0].id == method.id and rest:
        parts.append(f"{rest[0].label} becomes primary")
    inputs = inputs.at_rest().just_below()
    after, before = top_ups.plan(replace(inputs, methods=rest)), top_ups.plan(inputs)
    if after.code in NO_CONSENT and before.code not in (*NO_CONSENT, Code.REFILL_OFF):
        stop = "automatic refills stop"
        if after.code is Code.PRIMARY_OFF:
            stop += ", because its auto-charge is off"
        parts.append(stop)
    elif after.charges and parts and after.methods[0] is rest[0]:
        parts.append("automatic refills continue with it")
    text = ", and ".join(parts)
    text = f"{text[0].upper()}{text[1:]}. " if text else ""
    return f"{text}Past payments remain visible."
