"""The banner over the list when nothing will be charged although refill is on (T5, T10)."""

from dataclasses import dataclass

from webapp.domain import top_ups
from webapp.domain.accounts import Account
from webapp.domain.decisions import Code
from webapp.domain.top_ups import Plan, Situation
from webapp.reads.method_rows import joined_ids


@dataclass(frozen=True)
class PausedBanner:
    """T5: nothing will be charged although refill is on; with a one-click fix."""

    title: str
    text: str
    turn_on_method_id: int | None
    """"Turn on auto-charge" for this method; None when another fix applies."""
    make_primary_label: str
    """ "Make Mastercard •••• 4444 primary"; empty when there is none to offer."""
    make_primary_order: str
    resume: bool = False
    """The burst breaker has paused them: offer Resume (T10)."""


def read_banner(account: Account, at: Situation, plan: Plan) -> PausedBanner | None:
    """None while automatic payments go their way, or are not wished.

    `plan` is the planner's answer to `at.just_below()`.
    """
    title = "Automatic payments are paused"
    if plan.code is Code.WAITING:
        plan = top_ups.plan(at.at_rest().just_below())
    if plan.code is Code.PAUSED and at.paused_by_operator:
        text = "Your provider has paused them. Nothing will be charged; ask when they go on."
        return PausedBanner(title, text, None, "", "")
    if plan.code is Code.PAUSED and at.paused_by_dispute:
        text = "A dispute was lost. Resume automatic payments when you want them to go on."
        return PausedBanner(title, text, None, "", "", resume=True)
    if plan.code is Code.PAUSED:
        text = (
            "There were more than 3 refills in 10 minutes. "
            "Check your usage, then resume automatic payments."
        )
        return PausedBanner(title, text, None, "", "", resume=True)
    if plan.code not in (Code.PRIMARY_OFF, Code.NO_METHOD):
        return None
    balance, threshold = account.show(at.balance), account.show(at.choice.threshold or 0)
    if at.is_below:
        state = (
            f"Your balance is {balance}, already below {threshold}, and nothing will be charged."
        )
    else:
        state = f"Nothing will be charged when your balance of {balance} falls below {threshold}."
    if not at.methods:
        return PausedBanner(title, f"No payment method is saved. {state}", None, "", "")
    primary = at.methods[0]
    if plan.code is Code.NO_METHOD:
        text = f"No payment method has auto-charge on. {state}"
        return PausedBanner(title, text, primary.id, "", "")
    heir = next(iter(top_ups.chargeable(at)), None)
    order = [heir, *(m for m in at.methods if m is not heir)] if heir else []
    return PausedBanner(
        title=title,
        text=f"Auto-charge is off for {primary.label}, your primary method. {state}",
        turn_on_method_id=primary.id,
        make_primary_label=f"Make {heir.label} primary" if heir else "",
        make_primary_order=joined_ids(order),
    )
