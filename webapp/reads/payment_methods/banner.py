"""The banner shown while automatic refill is on but nothing will be charged (T5, T10, T18).

It is amber if the cause is a setting, such as a pause or auto-charge off, and red if a charge is
due but impossible.
"""

from dataclasses import dataclass, replace

from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.events.timeline import Code
from webapp.domain.payment_methods.payment_method import MethodStatus, PaymentMethod
from webapp.domain.shared import datetimes
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.charge_now import charged_by, reordered, resumed, with_method
from webapp.domain.top_ups.settings import PausedBy
from webapp.domain.top_ups.top_up import Plan, PlanInput
from webapp.reads.payment_methods.method_rows import joined_ids


@dataclass(frozen=True)
class Banner:
    title: str
    text: str
    amount: str = ""
    """The amount in the text to emphasise."""
    tone: str = "warn"
    """ "warn" or "bad"."""
    offers_funds: bool = False
    """The banner has the Add Funds button; the page head then has none."""
    turn_on_method_id: int | None = None
    """Method whose auto-charge the banner offers to turn on."""
    turn_on_label: str = ""
    """ "Turn on auto-charge", "Turn on and charge $100.00"."""
    make_primary_label: str = ""
    """ "Make Mastercard •••• 4444 primary"; empty if not offered."""
    make_primary_order: str = ""
    resume_label: str = ""
    """ "Resume automatic refills", "Resume and charge $100.00"; empty if not offered."""


PAUSED = "Automatic refills are paused"
SUSPENDED = "Your provider has suspended this account"
SWITCHED_OFF = "Nothing is charged automatically"

WANTED = (
    Code.ALL_SUSPENDED,
    Code.ALL_FAILED,
    Code.CAP_REACHED,
    Code.SETTINGS_OUT_OF_BOUNDS,
    Code.SWITCHED_OFF,
)
"""Decisions where a refill is wanted but impossible."""


def read_banner(account: Account, inputs: PlanInput, plan: Plan) -> Banner | None:
    """Return the banner, or None while automatic refills work or are not wanted.

    `plan` is the planner's decision for `inputs.just_below()`.
    """
    if inputs.account_state is AccountState.CLOSED:
        return None  # the page says so above
    if inputs.account_state is AccountState.SUSPENDED:
        return _suspended(account, inputs)
    if plan.code is Code.WAITING:
        plan = top_ups.plan(inputs.at_rest().just_below())
        if plan.code in WANTED:
            return None  # the open charge may succeed
    if plan.code is Code.PAUSED and inputs.paused_by is None:
        return None  # the burst breaker would stop a fourth charge; nothing is paused yet
    if plan.code is Code.PAUSED:
        return _paused(account, inputs)
    if inputs.is_below and (
        plan.code in WANTED or (plan.code is Code.NO_METHOD and not inputs.methods)
    ):
        return _cannot_be_charged(account, inputs, plan)
    if plan.code in (Code.PRIMARY_OFF, Code.NO_METHOD):
        return _switched_off(account, inputs, plan)
    return None


def _suspended(account: Account, inputs: PlanInput) -> Banner:
    balance = account.show(inputs.balance)
    text = (
        "Nothing is charged automatically until your provider ends this. "
        f"You can add funds yourself. Your balance is {balance}."
    )
    return Banner(SUSPENDED, text, balance)


def _paused(account: Account, inputs: PlanInput) -> Banner:
    if inputs.paused_by == PausedBy.OPERATOR:
        text = "Paused by your provider. Nothing will be charged until they are resumed."
        return Banner(PAUSED, text)
    text = (
        "A dispute was lost. Resume automatic refills when you want them to continue."
        if inputs.paused_by == PausedBy.DISPUTE
        else "A fourth refill within 10 minutes was due. "
        "Check your usage, then resume automatic refills."
    )
    charge = charged_by(inputs, resumed(inputs))
    if charge is None:
        return Banner(PAUSED, text, resume_label="Resume automatic refills")
    amount = account.show(charge.amount)
    text += (
        f" Your balance is {account.show(inputs.balance)}, below {account.show(charge.threshold)}, "
        f"so resuming charges {amount} to {charge.method} now."
    )
    return Banner(PAUSED, text, amount, resume_label=f"Resume and charge {amount}")


def _switched_off(account: Account, inputs: PlanInput, plan: Plan) -> Banner:
    """Auto-charge is off for the primary method or for all methods (T5)."""
    balance, threshold = account.show(inputs.balance), account.show(inputs.choice.threshold or 0)
    if inputs.is_below:
        state = f"Your balance is {balance}, below {threshold}."
    else:
        state = f"Nothing will be charged when your balance of {balance} falls below {threshold}."
    if not inputs.methods:
        return Banner(SWITCHED_OFF, f"No payment method is saved. {state}")
    primary = inputs.methods[0]
    turned_on = charged_by(inputs, with_method(inputs, primary.id, auto_charge=True))
    banner = Banner(
        SWITCHED_OFF,
        f"Auto-charge is off for {primary.label}, your primary method. {state}",
        turn_on_method_id=primary.id,
        turn_on_label=f"Turn on and charge {account.show(turned_on.amount)}"
        if turned_on
        else "Turn on auto-charge",
    )
    if plan.code is Code.NO_METHOD:
        return replace(banner, text=f"No payment method has auto-charge on. {state}")
    successor = next(iter(top_ups.chargeable(inputs)), None)
    if successor is None:
        return banner
    order = [successor, *(m for m in inputs.methods if m is not successor)]
    moved = charged_by(inputs, reordered(inputs, [method.id for method in order]))
    return replace(
        banner,
        make_primary_label=f"Make {successor.label} primary"
        + (f" and charge {account.show(moved.amount)}" if moved else ""),
        make_primary_order=joined_ids(order),
    )


def _cannot_be_charged(account: Account, inputs: PlanInput, plan: Plan) -> Banner:
    """The balance is below the threshold and nothing can be charged."""
    offer = next(
        (
            (method, charge)
            for method in inputs.methods
            if not method.auto_charge
            and (charge := charged_by(inputs, with_method(inputs, method.id, auto_charge=True)))
        ),
        None,
    )
    balance = account.show(inputs.balance)
    text = f"Your balance is {balance}. {_cause(account, inputs, plan)}"
    banner = Banner(_title(inputs, plan), text, balance, "bad", offers_funds=bool(inputs.methods))
    if offer is None:
        return banner
    method, charge = offer
    return replace(
        banner,
        text=f"{text} Turning on {method.label} charges {account.show(charge.amount)} now.",
        turn_on_method_id=method.id,
        turn_on_label=f"Turn on auto-charge for {method.label}",
    )


def _title(inputs: PlanInput, plan: Plan) -> str:
    if plan.until is None:
        return "No method can be charged"
    until = datetimes.when(plan.until, inputs.time_zone, inputs.now)
    if plan.code is Code.CAP_REACHED:
        return f"Nothing more can be charged until {until}"
    return f"No method can be charged until {until}"


def _cause(account: Account, inputs: PlanInput, plan: Plan) -> str:
    match plan.code:
        case Code.NO_METHOD:
            return "No payment method is saved."
        case Code.CAP_REACHED:
            limits = {field.span: (field, amount) for field, amount in inputs.choice.limits()}
            field, amount = limits[plan.limit]
            limit = account.show(amount)
            return f"Automatic refills have reached your {field.noun} of {limit}."
        case Code.SETTINGS_OUT_OF_BOUNDS:
            return (
                "The refill settings are outside the allowed amounts. Check them and apply again."
            )
        case Code.SWITCHED_OFF:
            return "Your provider has turned off automatic refills."
    return _out_of_use([method for method in inputs.methods if method.auto_charge], inputs)


def _out_of_use(methods: list[PaymentMethod], inputs: PlanInput) -> str:
    """ "Both methods with auto-charge are suspended."."""
    states = {method.obstacle(inputs.now) for method in methods}
    word = {MethodStatus.SUSPENDED: "suspended", MethodStatus.EXPIRED: "expired"}
    state = word.get(next(iter(states)) or MethodStatus.READY) if len(states) == 1 else None
    if len(methods) == 1:
        verb = "has expired" if state == "expired" else f"is {state or 'out of use'}"
        return f"{methods[0].label}, the only method with auto-charge, {verb}."
    which = "Both" if len(methods) == 2 else f"All {len(methods)}"
    verb = "have expired" if state == "expired" else f"are {state or 'out of use'}"
    return f"{which} methods with auto-charge {verb}."
