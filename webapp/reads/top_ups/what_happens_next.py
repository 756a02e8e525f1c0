"""What happens next: the forecast sentence and the chain of charges (T13)."""

from dataclasses import dataclass, replace
from datetime import timedelta

from webapp.domain.accounts.account import Account
from webapp.domain.events.timeline import Code
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import TOPICS
from webapp.domain.notifications.topics import Topic
from webapp.domain.payment_methods.payment_method import MethodStatus, PaymentMethod
from webapp.domain.payments.payment import AttemptState
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.burn_rate import BurnRate
from webapp.domain.top_ups.explanations import Words, in_words
from webapp.domain.top_ups.top_up import Plan, PlanInput
from webapp.reads.top_ups.runway import read_forecast, sentence_case

EXPLAINING = tuple(kind for kind, topic in TOPICS.items() if topic is Topic.FAILURES)
"""Kinds of emails that explain why nothing is charged."""

RECENT = timedelta(days=2)
"""Older emails are about an earlier cause."""


@dataclass(frozen=True)
class ChainStep:
    kind: str
    """ "balance", "method", "mail", "person" or "placeholder" (no card saved yet)."""
    label: str
    """ "Balance", "Visa •••• 4242", "Email to 2 addresses"."""
    detail: str
    """ "Below $50.00", "Charge $100.00", "If declined", "Skipped until 24 Nov"."""
    brand: str
    """Brand icon of a method; else empty."""
    state: str
    """ "will" (ink), "skipped" (grey), "active" (being charged now) or "idle" (dashed outline)."""
    arrow: str
    """Arrow to the next step: "solid" (will happen), "dashed" (if declined), "broken" (crossed) or
    empty on the last step."""


@dataclass(frozen=True)
class NextPanel:
    sentence: tuple[Words, ...]
    """Runs of text; strong runs are bold."""
    aside: str
    """ "Around Mon 23 Nov, at this week’s pace", "Since 14:05", or empty."""
    steps: tuple[ChainStep, ...]


def read_next(
    ctx: Context, account: Account, inputs: PlanInput, plan: Plan, pace: BurnRate | None
) -> NextPanel:
    """Read the panel.

    `plan` is the planner's decision for `inputs.just_below()`; `pace` is used if `shows_forecast`.
    """
    return NextPanel(
        sentence=in_words(inputs, plan, account.show),
        aside=_aside(ctx, account, inputs, plan, pace),
        steps=_chain(ctx, account, inputs, plan),
    )


def shows_forecast(inputs: PlanInput, plan: Plan) -> bool:
    """Whether the panel says when the threshold is reached: a charge is planned, but not yet."""
    return plan.code is Code.CHARGING and not inputs.is_below


def _aside(
    ctx: Context, account: Account, inputs: PlanInput, plan: Plan, pace: BurnRate | None
) -> str:
    if plan.code is Code.WAITING and inputs.open_attempt is not None:
        return f"Since {datetimes.clock_time(inputs.open_attempt.started_at, inputs.time_zone)}"
    if not shows_forecast(inputs, plan):
        return ""
    forecast = read_forecast(ctx.at(inputs.now), account, inputs.choice, pace)
    return sentence_case(forecast.when) if forecast is not None else ""


def _chain(ctx: Context, account: Account, inputs: PlanInput, plan: Plan) -> tuple[ChainStep, ...]:
    match plan.code:
        case Code.REFILL_OFF:
            return _without_refill(account, inputs)
        case Code.CHARGING | Code.DRY_RUN:
            return _charging(account, inputs, plan)
        case Code.WAITING:
            return _waiting(account, inputs)
    return _broken(ctx, account, inputs, plan)


def _balance_step(account: Account, inputs: PlanInput, arrow: str) -> ChainStep:
    threshold = account.show(inputs.choice.threshold or 0)
    detail = (
        f"{account.show(inputs.balance)}, below {threshold}"
        if inputs.is_below
        else f"Below {threshold}"
    )
    return ChainStep("balance", "Balance", detail, "", "will", arrow)


def _method_step(method: PaymentMethod, detail: str, state: str, arrow: str) -> ChainStep:
    return ChainStep("method", method.short_label, detail, method.chip, state, arrow)


def _mail_step(
    account: Account, detail: str, topic: Topic = Topic.FAILURES, state: str = "will"
) -> ChainStep:
    """Return the email step with the number of addresses that get the email (T13)."""
    count = len(account.addresses_for(topic))
    if not count:
        return ChainStep("mail", "No email", "No recipients", "", "skipped", "")
    label = f"Email to {count} address{'es' if count != 1 else ''}"
    return ChainStep("mail", label, detail, "", state, "")


def _without_refill(account: Account, inputs: PlanInput) -> tuple[ChainStep, ...]:
    if not inputs.methods:
        return (
            ChainStep("balance", "Balance", "Below your threshold", "", "idle", "dashed"),
            ChainStep(
                "placeholder", "Your first card", "Charge the refill amount", "", "idle", "dashed"
            ),
            _mail_step(account, "If it is declined", state="idle"),
        )
    if not inputs.choice.notification_on or inputs.choice.notification_threshold is None:
        return ()
    below = f"Below {account.show(inputs.choice.notification_threshold)}"
    return (
        ChainStep("balance", "Balance", below, "", "will", "solid"),
        _mail_step(account, "No charge", Topic.LOW_BALANCE),
    )


def _charging(account: Account, inputs: PlanInput, plan: Plan) -> tuple[ChainStep, ...]:
    steps = [_balance_step(account, inputs, "solid")]
    charged = False
    for method in inputs.methods:
        if not method.auto_charge:
            continue
        if method not in plan.methods:
            steps.append(_method_step(method, _why_skipped(method, inputs), "skipped", "dashed"))
            continue
        detail = "If declined" if charged else _charge_detail(account, inputs, plan)
        steps.append(_method_step(method, detail, "will", "dashed"))
        charged = True
    last = "If declined" if len(plan.methods) == 1 else "If all are declined"
    return (*steps, _mail_step(account, last))


def _charge_detail(account: Account, inputs: PlanInput, plan: Plan) -> str:
    if inputs.choice.refill_mode == "target" and not inputs.is_below:
        return f"Up to {account.show(inputs.choice.target or 0)}"
    return f"Charge {account.show(plan.amount)}"


def _waiting(account: Account, inputs: PlanInput) -> tuple[ChainStep, ...]:
    attempt = inputs.open_attempt
    if attempt is None or attempt.method is None:
        return ()
    planned = top_ups.is_planned(inputs, attempt)
    words = {
        AttemptState.CHALLENGED: "Waiting for you",
        AttemptState.REFUSED: "Refused, retrying" if planned else "Refused, not retried",
    }.get(AttemptState(attempt.state), "Waiting for the bank")
    if not attempt.automatic:
        paid = f"{account.show(attempt.amount)} to add"
        return (
            _method_step(attempt.method, words, "active", "dashed"),
            ChainStep("balance", "Balance", paid, "", "will", ""),
        )
    steps, passed = [_balance_step(account, inputs, "solid")], False
    for method in inputs.methods:
        if method.id == attempt.method_id:
            steps.append(_method_step(method, words, "active", "dashed"))
            passed = True
        elif passed and inputs.standings[method.id] is MethodStatus.READY:
            steps.append(_method_step(method, "If declined", "will", "dashed"))
    return (*steps, _mail_step(account, "If all are declined"))


def _broken(ctx: Context, account: Account, inputs: PlanInput, plan: Plan) -> tuple[ChainStep, ...]:
    """Nothing will be charged: the first arrow is broken and the methods are grey."""
    shown = [m for m in inputs.methods if m.auto_charge or m is inputs.methods[0]]
    steps = [_balance_step(account, inputs, "broken" if shown else "")]
    first = next((m for m in shown if inputs.standings[m.id] is MethodStatus.READY), None)
    for index, method in enumerate(shown):
        detail = _why_not(method, inputs, plan, is_first=method is first)
        arrow = "dashed" if index < len(shown) - 1 else ""
        steps.append(_method_step(method, detail, "skipped", arrow))
    sent_at = (
        outbox.last_sent(ctx.session, account.id, EXPLAINING) if inputs.is_below and shown else None
    )
    if sent_at is not None and inputs.now - sent_at < RECENT:
        when = datetimes.within(datetimes.since(sent_at, inputs.time_zone, inputs.now))
        steps[-1] = replace(steps[-1], arrow="dashed")
        steps.append(_mail_step(account, f"Sent {when}"))
    return tuple(steps)


def _why_not(method: PaymentMethod, inputs: PlanInput, plan: Plan, *, is_first: bool) -> str:
    if plan.code in (Code.PRIMARY_OFF, Code.NO_METHOD):
        return "Not tried" if method.auto_charge else "Auto-charge is off"
    if inputs.standings[method.id] is not MethodStatus.READY:
        return _why_skipped(method, inputs)
    if not is_first:
        return "If declined"
    if plan.code is Code.PAUSED:
        return "When resumed"
    if plan.code is Code.CAP_REACHED and plan.until is not None:
        return f"From {datetimes.when(plan.until, inputs.time_zone, inputs.now)}"
    return "Not charged"


def _why_skipped(method: PaymentMethod, inputs: PlanInput) -> str:
    match inputs.standings[method.id]:
        case MethodStatus.SUSPENDED if method.suspended_until is not None:
            until = datetimes.day(method.suspended_until, inputs.time_zone, inputs.now)
            return f"Skipped until {until}"
        case MethodStatus.EXPIRED:
            return "Skipped, expired"
        case MethodStatus.AUTO_CHARGE_OFF:
            return "Auto-charge is off"
    return "Out of use"
