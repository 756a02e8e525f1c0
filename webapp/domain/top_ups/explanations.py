"""Explanations of plans: the sentence beside the settings (T13) and the timeline's lines (E1).

Screens show them in English, emails in the language of the account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from re import compile as pattern

from webapp.domain.events.timeline import Code
from webapp.domain.payment_methods.payment_method import MethodStatus, PaymentMethod, label_in
from webapp.domain.payments.payment import AttemptState
from webapp.domain.shared import datetimes
from webapp.domain.shared.field_tables import Show
from webapp.domain.shared.i18n import ENGLISH, Translator
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.settings import PausedBy, RefillMode
from webapp.domain.top_ups.top_up import Plan, PlanInput, amount_before_limits

_PLACE = pattern(r"%\((\w+)\)s")


@dataclass(frozen=True)
class Words:
    """A run of text, emphasised or not."""

    text: str
    strong: bool = False


Sentence = tuple[Words, ...]


def sentence(*runs: str | Words) -> Sentence:
    return tuple(Words(run) if isinstance(run, str) else run for run in runs)


def strong(text: str) -> Words:
    return Words(text, strong=True)


def filled(template: str, **values: str | Words | Sentence) -> Sentence:
    """Fill each `%(placeholder)s` of a template with one or several runs."""
    runs: list[Words] = []
    for number, part in enumerate(_parts(template)):
        value = values[part] if number % 2 else part
        if isinstance(value, tuple):
            runs += value
        elif value:
            runs.append(Words(value) if isinstance(value, str) else value)
    return tuple(runs)


@lru_cache(maxsize=256)
def _parts(template: str) -> Sequence[str]:
    """Split a template into text and placeholder names, alternating."""
    return _PLACE.split(template)


def plain(words: Sentence) -> str:
    return "".join(run.text for run in words)


def what_happens_next(inputs: PlanInput, show: Show, tongue: Translator = ENGLISH) -> Sentence:
    """Explain what happens when the balance falls below the threshold, or now if it is below.

    The plan comes from the planner that charges (T13).
    """
    return in_words(inputs, top_ups.plan(inputs.just_below()), show, tongue)


def in_words(inputs: PlanInput, plan: Plan, show: Show, tongue: Translator = ENGLISH) -> Sentence:
    """Explain a plan that the planner returned for `inputs.just_below()`."""
    _ = tongue.gettext
    match plan.code:
        case Code.REFILL_OFF:
            return _refill_off(inputs, show, tongue)
        case Code.CHARGING:
            return _charging(inputs, plan, show, tongue)
        case Code.DRY_RUN:
            dry = sentence(_("Dry run: nothing is charged."), " ")
            return dry + _charging(inputs, plan, show, tongue)
        case Code.WAITING:
            return _waiting(inputs, show, tongue)
        case Code.NO_METHOD if not inputs.methods:
            return sentence(
                _("Nothing will be charged: no payment method is saved. Add a card to continue.")
            )
        case Code.NO_METHOD:
            return sentence(_("Nothing will be charged. No payment method has auto-charge on."))
        case Code.PRIMARY_OFF:
            return filled(
                _(
                    "Nothing will be charged. Auto-charge is off for your primary method, "
                    "%(method)s, so the methods below it are not tried either."
                ),
                method=strong(label_in(tongue, inputs.methods[0].label)),
            )
        case Code.ALL_SUSPENDED | Code.ALL_FAILED:
            return _all_out_of_use(inputs, plan, tongue)
        case Code.CAP_REACHED:
            return _limit_reached(inputs, plan, show, tongue)
        case Code.PAUSED:
            return sentence(_paused(inputs, tongue))
        case Code.AFTER_REVERSAL:
            return filled(
                _(
                    "Nothing is charged now: a refund or dispute took your balance below "
                    "%(threshold)s. The next usage starts the refill, or you add funds."
                ),
                threshold=strong(show(inputs.choice.threshold or 0)),
            )
        case Code.REFILL_HELD:
            return filled(
                _(
                    "Nothing is charged now: your balance is below %(threshold)s, and the refill "
                    "is on hold. The next usage starts it, or you add funds."
                ),
                threshold=strong(show(inputs.choice.threshold or 0)),
            )
        case Code.ACCOUNT_SUSPENDED:
            return sentence(
                _(
                    "Your provider has suspended this account. Nothing will be charged "
                    "automatically."
                )
            )
        case Code.ACCOUNT_CLOSED:
            return sentence(_("This account is closed. Nothing is charged."))
        case Code.SWITCHED_OFF:
            return sentence(
                _("Automatic refills are switched off by your provider. Nothing will be charged.")
            )
        case Code.SETTINGS_OUT_OF_BOUNDS:
            return sentence(
                _(
                    "Nothing will be charged: the refill settings are outside the limits now in "
                    "force. Check the amounts and apply them again."
                )
            )
    return sentence(_("Your balance is above the threshold."))


def timeline_line(inputs: PlanInput, plan: Plan, show: Show, tongue: Translator = ENGLISH) -> str:
    """Return the timeline's line for a check of the account."""
    _, threshold = tongue.gettext, show(inputs.choice.threshold or 0)
    if plan.code is Code.ABOVE_THRESHOLD:
        return _("No refill needed: the balance is at or above %(threshold)s.", threshold=threshold)
    if plan.code is Code.REFILL_OFF:
        return _("Nothing to do: automatic refill is off.")
    if plan.code is Code.CAP_REACHED:
        return plain(_limit_reached(inputs, plan, show, tongue, lasting=True))
    return plain(what_happens_next(inputs, show, tongue))


def what_to_do(inputs: PlanInput, plan: Plan, tongue: Translator = ENGLISH) -> str:
    """Return advice for a due refill that cannot be charged (T17).

    Empty if the reason already includes the advice.
    """
    _ = tongue.gettext
    match plan.code:
        case Code.NO_METHOD if not inputs.methods:
            return _("Add a payment method, or add funds.")
        case Code.NO_METHOD:
            return _("Turn on auto-charge for a payment method, or add funds.")
        case Code.PRIMARY_OFF:
            return _(
                "Turn on auto-charge for your primary method, or move another one to the top of "
                "the list. You can also add funds."
            )
        case Code.SETTINGS_OUT_OF_BOUNDS:
            return _("Correct the refill settings, or add funds.")
        case Code.ACCOUNT_SUSPENDED:
            return _("You can add funds yourself. Ask your provider why the account is suspended.")
        case Code.SWITCHED_OFF:
            return _("Add funds, and ask your provider when automatic refills will be on again.")
        case Code.PAUSED if inputs.paused_by == PausedBy.OPERATOR:
            return _("Add funds, and ask your provider when automatic refills will be on again.")
        case Code.PAUSED:
            return _("Resume automatic refills, or add funds.")
        case Code.CAP_REACHED:
            return _("Raise the limit, or add funds.")
    return ""


def out_of_use(method: PaymentMethod, inputs: PlanInput, tongue: Translator = ENGLISH) -> Sentence:
    """Return why a method is skipped, as a sentence."""
    _, label = tongue.gettext, strong(label_in(tongue, method.label))
    match inputs.standings[method.id]:
        case MethodStatus.SUSPENDED if method.suspended_until is not None:
            until = datetimes.when(
                method.suspended_until, inputs.time_zone, inputs.now, tongue.language
            )
            return filled(_("%(method)s is skipped until %(until)s."), method=label, until=until)
        case MethodStatus.GONE:
            gone = _("%(method)s is skipped because it was removed at the payment processor.")
            return filled(gone, method=label)
        case MethodStatus.EXPIRED:
            return filled(_("%(method)s is skipped because it has expired."), method=label)
        case MethodStatus.AUTO_CHARGE_OFF:
            return filled(_("%(method)s is skipped because its auto-charge is off."), method=label)
    return filled(_("%(method)s is out of use until you retry or replace it."), method=label)


def _paused(inputs: PlanInput, tongue: Translator) -> str:
    _ = tongue.gettext
    if inputs.paused_by == PausedBy.OPERATOR:
        return _(
            "Automatic refills are paused by your provider. Nothing will be charged. Ask your "
            "provider when they will resume."
        )
    if inputs.paused_by == PausedBy.DISPUTE:
        return _(
            "Automatic refills are paused after a lost dispute. "
            "Resume them when you want them to continue."
        )
    if inputs.paused_by is None:
        return _(
            "There were 3 automatic refills within 10 minutes. Instead of a fourth, automatic "
            "refills pause until you resume them."
        )
    return _(
        "Automatic refills are paused: a fourth refill within 10 minutes was due. "
        "Check your usage, then resume them."
    )


def _refill_off(inputs: PlanInput, show: Show, tongue: Translator) -> Sentence:
    _ = tongue.gettext
    if not inputs.methods:
        return sentence(
            _(
                "Nothing is charged automatically. "
                "Once a card is saved, we can refill your balance before it runs out."
            )
        )
    if inputs.choice.notification_on and inputs.choice.notification_threshold is not None:
        return filled(
            _(
                "Nothing is charged automatically. "
                "We’ll send an email when your balance falls below %(threshold)s."
            ),
            threshold=strong(show(inputs.choice.notification_threshold)),
        )
    return sentence(
        _(
            "Nothing is charged automatically. Turn on automatic refill to have your balance kept "
            "above a threshold."
        )
    )


def _charging(inputs: PlanInput, plan: Plan, show: Show, tongue: Translator) -> Sentence:
    first, *others = (strong(label_in(tongue, method.label)) for method in plan.methods)
    charge = filled(
        _charge(inputs, plan, tongue, falls_back=bool(others)),
        threshold=strong(show(inputs.choice.threshold or 0)),
        amount=strong(show(plan.amount)),
        target=strong(show(inputs.choice.target or 0)),
        minimum=show(inputs.bounds.payment_min),
        largest=show(inputs.choice.largest_charge or 0),
        method=first,
        others=_in_turn(others, tongue),
    )
    skipped = _skipped_methods(inputs, plan.methods[0], tongue)
    return (
        charge
        + skipped
        + _reduced_by_limit(inputs, plan, show, tongue)
        + _later(inputs, plan, show, tongue)
    )


def _charge(inputs: PlanInput, plan: Plan, tongue: Translator, *, falls_back: bool) -> str:
    _ = tongue.gettext
    if inputs.is_below and falls_back:
        return _(
            "Your balance is below %(threshold)s, so we’ll charge %(amount)s to %(method)s now; "
            "if it is declined, %(others)s."
        )
    if inputs.is_below:
        return _(
            "Your balance is below %(threshold)s, so we’ll charge %(amount)s to %(method)s now."
        )
    if inputs.choice.refill_mode is RefillMode.TARGET and plan.limit in ("", "largest_charge"):
        return _up_to_target(tongue, falls_back=falls_back)
    if falls_back:
        return _(
            "When your balance falls below %(threshold)s, we’ll charge %(amount)s to %(method)s; "
            "if it is declined, %(others)s."
        )
    return _("When your balance falls below %(threshold)s, we’ll charge %(amount)s to %(method)s.")


def _up_to_target(tongue: Translator, *, falls_back: bool) -> str:
    """Explain a refill to a target, whose amount is not known before the balance falls."""
    _ = tongue.gettext
    if falls_back:
        return _(
            "When your balance falls below %(threshold)s, we’ll charge what brings it up to "
            "%(target)s (at least %(minimum)s, at most %(largest)s) to %(method)s; "
            "if it is declined, %(others)s."
        )
    return _(
        "When your balance falls below %(threshold)s, we’ll charge what brings it up to "
        "%(target)s (at least %(minimum)s, at most %(largest)s) to %(method)s."
    )


def _in_turn(labels: Sequence[Words], tongue: Translator) -> Sentence:
    turn = sentence(*labels[:1])
    for label in labels[1:]:
        turn = filled(tongue.gettext("%(methods)s, then %(method)s"), methods=turn, method=label)
    return turn


def _skipped_methods(inputs: PlanInput, first: PaymentMethod, tongue: Translator) -> Sentence:
    runs: list[str | Words] = []
    for method in inputs.methods:
        if method is first:
            break
        if method.id not in inputs.tried:
            runs += [" ", *out_of_use(method, inputs, tongue)]
    return sentence(*runs)


def _reduced_by_limit(inputs: PlanInput, plan: Plan, show: Show, tongue: Translator) -> Sentence:
    _, full = tongue.gettext, amount_before_limits(inputs.just_below())
    consented = show(min(full, inputs.choice.most_at_once))
    match plan.limit:
        case "day":
            reduction = _(
                "Reduced from %(uncut)s by your %(limit)s daily limit.",
                uncut=consented,
                limit=show(inputs.choice.day_limit or 0),
            )
        case "month":
            reduction = _(
                "Reduced from %(uncut)s by your %(limit)s monthly limit.",
                uncut=consented,
                limit=show(inputs.choice.month_limit or 0),
            )
        case "largest_charge" if inputs.is_below:
            reduction = _(
                "Reduced from %(uncut)s by your largest automatic charge, %(limit)s.",
                uncut=show(full),
                limit=show(inputs.choice.most_at_once),
            )
        case _other:
            return ()
    return sentence(" ", reduction)


def _later(inputs: PlanInput, plan: Plan, show: Show, tongue: Translator) -> Sentence:
    """Add that later refills to a target may have other amounts (T9)."""
    if inputs.choice.refill_mode is not RefillMode.TARGET or not inputs.is_below or plan.limit:
        return ()
    later = tongue.gettext(
        "Later refills vary, never above %(largest)s.", largest=show(inputs.choice.most_at_once)
    )
    return sentence(" ", later)


def limit_name(inputs: PlanInput, plan: Plan, show: Show, tongue: Translator) -> str:
    """ "$300.00 a day"."""
    _ = tongue.gettext
    if plan.limit == "month":
        return _("%(limit)s a month", limit=show(inputs.choice.month_limit or 0))
    return _("%(limit)s a day", limit=show(inputs.choice.day_limit or 0))


def _waiting(inputs: PlanInput, show: Show, tongue: Translator) -> Sentence:
    _, attempt = tongue.gettext, inputs.open_attempt
    if attempt is None or attempt.method is None:
        return sentence(_("A payment is in progress. Nothing else is charged until it is settled."))
    if attempt.state == AttemptState.REFUSED:
        said = (
            _(
                "The processor refused %(amount)s to %(method)s. Nothing was charged; we try "
                "again, and nothing else is charged until then."
            )
            if top_ups.is_planned(inputs, attempt)
            else _(
                "The processor refused %(amount)s to %(method)s. Nothing was charged, and the "
                "request is not sent again."
            )
        )
        method = strong(label_in(tongue, attempt.method.label))
        return filled(said, amount=strong(show(attempt.amount)), method=method)
    said = (
        _(
            "Your bank is asking you to confirm %(amount)s to %(method)s. "
            "Nothing else is charged until you answer."
        )
        if attempt.state == AttemptState.CHALLENGED
        else _(
            "We are charging %(amount)s to %(method)s. "
            "Nothing else is charged until the bank answers."
        )
    )
    method = strong(label_in(tongue, attempt.method.label))
    return filled(said, amount=strong(show(attempt.amount)), method=method)


def _all_out_of_use(inputs: PlanInput, plan: Plan, tongue: Translator) -> Sentence:
    _ = tongue.gettext
    if plan.until is None:
        return sentence(
            _(
                "Nothing can be charged: every method with auto-charge is out of use. "
                "Retry or replace one, or add funds."
            )
        )
    again = next(
        method
        for method in inputs.methods
        if method.suspended_until == plan.until
        and inputs.standings[method.id] is MethodStatus.SUSPENDED
    )
    return filled(
        _(
            "Nothing can be charged until %(until)s. Then we’ll try %(method)s again. "
            "Retry a method or add funds to continue now."
        ),
        until=datetimes.when(plan.until, inputs.time_zone, inputs.now, tongue.language),
        method=strong(label_in(tongue, again.label)),
    )


def _limit_reached(
    inputs: PlanInput, plan: Plan, show: Show, tongue: Translator, *, lasting: bool = False
) -> Sentence:
    """`lasting`: name the date instead of "tomorrow", for text that is read on other days."""
    _, choice = tongue.gettext, inputs.choice
    if plan.limit == "month":
        said, limit = (
            _(
                "Nothing more is charged this month: automatic refills have reached your limit "
                "of %(limit)s a month."
            ),
            choice.month_limit or 0,
        )
    else:
        said, limit = (
            _(
                "Nothing more is charged today: automatic refills have reached your limit of "
                "%(limit)s a day."
            ),
            choice.day_limit or 0,
        )
    if (plan.limit == "day" and not lasting) or plan.until is None:
        again = _("They resume tomorrow at 00:00.")
    else:
        until = datetimes.when(plan.until, inputs.time_zone, inputs.now, tongue.language)
        again = _("They resume %(until)s.", until=until)
    return filled(said, limit=strong(show(limit))) + sentence(" ", again)
