"""Plans in plain words: the sentence beside the settings (T13) and the timeline's lines (E1)."""

from dataclasses import dataclass

from webapp.domain import moments, top_ups
from webapp.domain.decisions import Code
from webapp.domain.low_balance import RefillMode, Show
from webapp.domain.payment_methods import PaymentMethod, Standing
from webapp.domain.payments import AttemptState
from webapp.domain.top_ups import Plan, Situation, uncut_amount


@dataclass(frozen=True)
class Words:
    """A run of text; what matters most is strong."""

    text: str
    strong: bool = False


Sentence = tuple[Words, ...]


def sentence(*runs: str | Words) -> Sentence:
    return tuple(Words(run) if isinstance(run, str) else run for run in runs)


def strong(text: str) -> Words:
    return Words(text, strong=True)


def plain(words: Sentence) -> str:
    return "".join(run.text for run in words)


def what_happens_next(at: Situation, show: Show) -> Sentence:
    """Exactly what will be done when the balance falls below the threshold, or is done now.

    The planner that charges is asked, so the sentence cannot lie (T13).
    """
    return in_words(at, top_ups.plan(at.just_below()), show)


def in_words(at: Situation, plan: Plan, show: Show) -> Sentence:
    """`plan` is the planner's answer to `at.just_below()`."""
    match plan.code:
        case Code.REFILL_OFF:
            return _refill_off(at, show)
        case Code.CHARGING:
            return _charging(at, plan, show)
        case Code.DRY_RUN:
            return sentence("Dry run: nothing is charged. ", *_charging(at, plan, show))
        case Code.WAITING:
            return _waiting(at, show)
        case Code.NO_METHOD if not at.methods:
            return sentence(
                "Nothing will be charged: no payment method is saved. Add a card to go on."
            )
        case Code.NO_METHOD:
            return sentence("Nothing will be charged. No payment method has auto-charge on.")
        case Code.PRIMARY_OFF:
            return sentence(
                "Nothing will be charged. Auto-charge is off for your primary method, ",
                strong(at.methods[0].label),
                ", so the methods below it are not tried either.",
            )
        case Code.ALL_SUSPENDED | Code.ALL_FAILED:
            return _all_out_of_use(at, plan)
        case Code.CAP_REACHED:
            return _limit_reached(at, plan, show)
        case Code.PAUSED if at.paused_by_operator:
            return sentence(
                "Automatic payments are paused by your provider. Nothing will be charged; ask your "
                "provider when they go on."
            )
        case Code.PAUSED if at.paused_by_dispute:
            return sentence(
                "Automatic payments are paused after a lost dispute. "
                "Resume them when you want them to go on."
            )
        case Code.AFTER_REVERSAL:
            return sentence(
                "Nothing is charged now: a refund or dispute took your balance below ",
                strong(show(at.choice.threshold or 0)),
                ". The next usage starts the refill, or you add funds.",
            )
        case Code.PAUSED:
            return sentence(
                "Automatic payments are paused after 4 refills in 10 minutes. "
                "Check your usage, then resume them."
            )
        case Code.SWITCHED_OFF:
            return sentence(
                "Automatic payments are switched off by your provider. Nothing will be charged."
            )
        case Code.SETTINGS_OUT_OF_BOUNDS:
            return sentence(
                "Nothing will be charged: the refill settings are outside the limits now in force. "
                "Check the amounts and apply them again."
            )
    return sentence("Your balance is above the threshold.")


def timeline_line(at: Situation, plan: Plan, show: Show) -> str:
    """What a look answered, as the timeline tells it."""
    threshold = at.choice.threshold or 0
    if plan.code is Code.ABOVE_THRESHOLD:
        return f"Nothing to do: the balance is not below {show(threshold)}."
    if plan.code is Code.REFILL_OFF:
        return "Nothing to do: automatic refill is off."
    if plan.code is Code.CAP_REACHED:
        return plain(_limit_reached(at, plan, show, lasting=True))
    return plain(what_happens_next(at, show))


def out_of_use(method: PaymentMethod, at: Situation) -> str:
    """Why a method is passed over, in two or three words after its name."""
    match method.standing(at.now):
        case Standing.SUSPENDED if method.suspended_until is not None:
            return f"is skipped until {moments.when(method.suspended_until, at.time_zone, at.now)}"
        case Standing.GONE:
            return "is skipped, it is gone at its processor"
        case Standing.EXPIRED:
            return "is skipped, it has expired"
        case Standing.AUTO_CHARGE_OFF:
            return "is skipped, its auto-charge is off"
    return "is out of use until you retry or replace it"


def _refill_off(at: Situation, show: Show) -> Sentence:
    if not at.methods:
        return sentence(
            "Nothing is charged automatically. "
            "Once a card is saved, we can refill your balance before it runs out."
        )
    if at.choice.notification_on and at.choice.notification_threshold is not None:
        return sentence(
            "Nothing is charged automatically. We send an e-mail when your balance falls below ",
            strong(show(at.choice.notification_threshold)),
            ".",
        )
    return sentence(
        "Nothing is charged automatically. Turn on automatic refill to have your balance kept "
        "above a threshold."
    )


def _charging(at: Situation, plan: Plan, show: Show) -> Sentence:
    first, *others = plan.methods
    threshold = strong(show(at.choice.threshold or 0))
    when = (
        sentence("Your balance is below ", threshold, ": we charge ")
        if at.is_below
        else sentence("When your balance falls below ", threshold, " we charge ")
    )
    fallback: list[str | Words] = []
    for count, other in enumerate(others):
        fallback += ["; if it is declined, " if count == 0 else ", then ", strong(other.label)]
    return sentence(
        *when,
        *_amount(at, plan, show),
        " to ",
        strong(first.label),
        *fallback,
        ".",
        *_passed_over(at, first),
        *_cut(at, plan, show),
    )


def _amount(at: Situation, plan: Plan, show: Show) -> Sentence:
    choice = at.choice
    if choice.refill_mode is RefillMode.TARGET and not at.is_below and not plan.limit:
        # How far it will have fallen is not known before it has.
        return sentence(
            "what brings it up to ",
            strong(show(choice.target or 0)),
            f" (at least {show(at.policy.payment_min)})",
        )
    refill = choice.refill_amount or 0
    if choice.refill_mode is RefillMode.ADD and plan.amount > refill and not plan.limit:
        return sentence(strong(show(plan.amount)), f" ({plan.amount // refill} × {show(refill)})")
    return sentence(strong(show(plan.amount)))


def _passed_over(at: Situation, first: PaymentMethod) -> Sentence:
    runs: list[str | Words] = []
    for method in at.methods:
        if method is first:
            break
        if method.id not in at.tried:
            runs += [" ", strong(method.label), f" {out_of_use(method, at)}."]
    return sentence(*runs)


def _cut(at: Situation, plan: Plan, show: Show) -> Sentence:
    if not plan.limit:
        return ()
    return sentence(
        f" That is cut from {show(uncut_amount(at.just_below()))} by {limit_name(at, plan, show)}."
    )


def limit_name(at: Situation, plan: Plan, show: Show) -> str:
    if plan.limit == "day":
        return f"your limit of {show(at.choice.day_limit or 0)} a day"
    if plan.limit == "month":
        return f"your limit of {show(at.choice.month_limit or 0)} a month"
    return f"the largest payment, {show(at.policy.payment_max)}"


def _waiting(at: Situation, show: Show) -> Sentence:
    attempt = at.open_attempt
    if attempt is None or attempt.method is None:
        return sentence("A payment is under way. Nothing else is charged until it is settled.")
    if attempt.state == AttemptState.CHALLENGED:
        return sentence(
            "Your bank is asking you to confirm ",
            strong(show(attempt.amount)),
            " to ",
            strong(attempt.method.label),
            ". Nothing else is charged until that has ended.",
        )
    return sentence(
        "We are charging ",
        strong(show(attempt.amount)),
        " to ",
        strong(attempt.method.label),
        ". Nothing else is charged until the bank answers.",
    )


def _all_out_of_use(at: Situation, plan: Plan) -> Sentence:
    if plan.until is None:
        return sentence(
            "Nothing can be charged: every method with auto-charge is out of use. "
            "Retry or replace one, or add funds."
        )
    again = next(
        method
        for method in at.methods
        if method.suspended_until == plan.until and method.standing(at.now) is Standing.SUSPENDED
    )
    return sentence(
        f"Nothing can be charged until {moments.when(plan.until, at.time_zone, at.now)}. "
        "Then we try ",
        strong(again.label),
        " again. Retry or add funds to go on now.",
    )


def _limit_reached(at: Situation, plan: Plan, show: Show, *, lasting: bool = False) -> Sentence:
    """`lasting`: it will be read on other days, when "tomorrow" is another day."""
    if plan.limit == "month":
        limit, span, period = at.choice.month_limit or 0, "this month", "a month"
    else:
        limit, span, period = at.choice.day_limit or 0, "today", "a day"
    again = (
        "tomorrow, 00:00"
        if (plan.limit == "day" and not lasting) or plan.until is None
        else moments.when(plan.until, at.time_zone, at.now)
    )
    return sentence(
        f"Nothing more is charged {span}: automatic payments have reached your limit of ",
        strong(show(limit)),
        f" {period}. They go on {again}.",
    )
