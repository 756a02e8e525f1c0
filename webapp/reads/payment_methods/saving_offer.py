"""What the form of a new payment method says about charges and auto-charge (M12, T18)."""

from dataclasses import dataclass, replace

from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.payment_method import MethodStatus
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.charge_now import ChargeNow, charged_by, with_method, with_new_card
from webapp.domain.top_ups.top_up import PlanInput

NOT_OFFERED = "PayPal is not offered on this account. Ask your provider to allow it."


@dataclass(frozen=True)
class SavingOffer:
    charge: str
    """ "$100.00": charged at once by saving, or by saving with the `asks_consent` box ticked."""
    note: str
    """ "Saving this card charges $100.00 now."."""
    reason: str
    """ "Refill is on and your balance of −$39.81 is below $50.00."."""
    renewal: str
    """ "Saving Visa •••• 4242 again charges $100.00 now, because its auto-charge is on."."""
    confirmed: int
    """Amount in micros that the form announces as charged at once; 0 if nothing is."""
    asks_consent: bool
    """Show the unticked box "Use it for automatic refills": no other method can be charged."""
    consequence: str
    """What ticking the box means if it charges nothing at once."""
    may_decline: bool
    """Show the box "Save without auto-charge": a first method starts with auto-charge on (M4)."""

    @property
    def is_charged_anyway(self) -> bool:
        """Saving charges at once unless the user ticks a box."""
        return bool(self.charge) and not self.asks_consent


@dataclass(frozen=True)
class PayPalDialog:
    allowed: bool
    how_to_ask: str
    """How to have PayPal allowed (M11); empty if it is."""
    offer: SavingOffer


def read_saving_offer(ctx: Context, account_id: int, what: str = "this card") -> SavingOffer:
    account = ctx.session.get_one(Account, account_id)
    inputs = top_ups.gather(ctx, account)
    is_first = not inputs.methods
    charge = charged_by(inputs, with_new_card(inputs, auto_charge=is_first))
    asks_consent = _asks_consent(inputs) and charge is None
    note = ""
    if charge is not None:
        note = _note(account, charge, what)
    elif asks_consent:
        charge = charged_by(inputs, with_new_card(inputs, auto_charge=True))
        note = _note(account, charge, what) if charge else ""
    renewed = _charged_if_renewed(inputs)
    return SavingOffer(
        charge=account.show(charge.amount) if charge else "",
        note=note,
        reason=_reason(account, charge) if charge else "",
        renewal=_renewal(account, renewed) if renewed else "",
        confirmed=max((one.amount for one in (charge, renewed) if one is not None), default=0),
        asks_consent=asks_consent,
        consequence="" if charge else _consequence(account, inputs),
        may_decline=is_first and charge is not None,
    )


def read_paypal(ctx: Context, account_id: int, *, offered: bool) -> PayPalDialog:
    """Read the PayPal dialog; `offered`: this installation has a PayPal processor."""
    allowed = offered and ctx.session.get_one(Account, account_id).paypal_allowed
    offer = read_saving_offer(ctx, account_id, "PayPal")
    return PayPalDialog(allowed, "" if allowed else NOT_OFFERED, offer)


def _asks_consent(inputs: PlanInput) -> bool:
    return bool(inputs.methods) and inputs.choice.refill_on and not top_ups.chargeable(inputs)


def _charged_if_renewed(inputs: PlanInput) -> ChargeNow | None:
    """Return the charge caused by saving an expired or removed card again (M3, M8).

    Saving makes the card chargeable again, with its auto-charge unchanged.
    """
    renewed = {"exp_month": None, "exp_year": None, "gone_at": None}
    for method in inputs.methods:
        if method.standing(inputs.now) in (MethodStatus.EXPIRED, MethodStatus.GONE) and (
            charge := charged_by(inputs, with_method(inputs, method.id, **renewed))
        ):
            return replace(charge, method=method.label)
    return None


def _renewal(account: Account, charge: ChargeNow) -> str:
    amount = account.show(charge.amount)
    return f"Saving {charge.method} again charges {amount} now, because its auto-charge is on."


def _note(account: Account, charge: ChargeNow, what: str) -> str:
    amount = account.show(charge.amount)
    to = f" to {charge.method}" if charge.method_id else ""
    verb = "Linking" if what == "PayPal" else "Saving"
    return f"{verb} {what} charges {amount}{to} now."


def _reason(account: Account, charge: ChargeNow) -> str:
    balance, threshold = account.show(charge.balance), account.show(charge.threshold)
    reason = f"Refill is on and your balance of {balance} is below {threshold}."
    if charge.is_repeated:
        reason += " More refills follow within the limits."
    return reason


def _consequence(account: Account, inputs: PlanInput) -> str:
    threshold = account.show(inputs.choice.threshold or 0)
    if inputs.methods and not inputs.methods[0].auto_charge:
        return (
            f"It is charged only once auto-charge is on for {inputs.methods[0].label}, your "
            "primary method, or another method is primary."
        )
    if not inputs.is_below:
        return f"It is charged when your balance falls below {threshold}."
    return "It is charged when automatic refills are on again."
