"""What happens next: the planner's sentence, and the chain it would walk (T13)."""

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.accounts.decisions import Code
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import TOPICS
from webapp.domain.notifications.topics import Topic
from webapp.domain.payment_methods.payment_method import PaymentMethod, Standing
from webapp.domain.payments.attempts import AttemptState
from webapp.domain.shared import datetimes
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.burn_rate import Pace
from webapp.domain.top_ups.explanations import Words, in_words
from webapp.domain.top_ups.top_up import Plan, Situation
from webapp.reads.top_ups.runway import read_forecast, sentence_case

TOLD = tuple(kind for kind, topic in TOPICS.items() if topic is Topic.FAILURES)
"""Emails that say why nothing is charged."""

RECENT = timedelta(days=2)
"""An email that is older was about something else."""


@dataclass(frozen=True)
class ChainStep:
    kind: str
    """ "balance", "method", "mail" or "placeholder" (the card that is not there yet)."""
    label: str
    """ "Balance", "Visa •••• 4242", "Email to 2 addresses"."""
    detail: str
    """ "Below $50.00", "Charge $100.00", "If declined", "Skipped until 24 Nov"."""
    brand: str
    """Of a method; else empty."""
    state: str
    """ "will" (ink), "skipped" (grey), "active" (being charged now) or "idle" (dashed outline)."""
    arrow: str
    """From here to the next step: "solid" (will happen), "dashed" (if declined), "broken" (crossed)
    or empty on the last step."""


@dataclass(frozen=True)
class NextPanel:
    sentence: tuple[Words, ...]
    """Runs of text; the strong ones in ink and bold."""
    aside: str
    """ "Around Mon 23 Nov, at this week’s pace", "Since 14:05", or empty."""
    steps: tuple[ChainStep, ...]


def read_next(
    session: Session, account: Account, at: Situation, plan: Plan, pace: Pace | None
) -> NextPanel:
    """`plan` is the planner's answer to `at.just_below()`."""
    return NextPanel(
        sentence=in_words(at, plan, account.show),
        aside=_aside(session, account, at, plan, pace),
        steps=_chain(session, account, at, plan),
    )


def _aside(session: Session, account: Account, at: Situation, plan: Plan, pace: Pace | None) -> str:
    if plan.code is Code.WAITING and at.open_attempt is not None:
        return f"Since {datetimes.clock_time(at.open_attempt.started_at, at.time_zone)}"
    if plan.code is not Code.CHARGING or at.is_below:
        return ""
    forecast = read_forecast(session, account, at.choice, pace, at.now)
    return sentence_case(forecast.when) if forecast is not None else ""


def _chain(session: Session, account: Account, at: Situation, plan: Plan) -> tuple[ChainStep, ...]:
    match plan.code:
        case Code.REFILL_OFF:
            return _without_refill(account, at)
        case Code.CHARGING | Code.DRY_RUN:
            return _charging(account, at, plan)
        case Code.WAITING:
            return _waiting(account, at)
    return _broken(session, account, at, plan)


def _balance_step(account: Account, at: Situation, arrow: str) -> ChainStep:
    threshold = account.show(at.choice.threshold or 0)
    detail = (
        f"{account.show(at.balance)}, below {threshold}" if at.is_below else f"Below {threshold}"
    )
    return ChainStep("balance", "Balance", detail, "", "will", arrow)


def _method_step(method: PaymentMethod, detail: str, state: str, arrow: str) -> ChainStep:
    return ChainStep("method", method.short_label, detail, method.chip, state, arrow)


def _mail_step(
    account: Account, detail: str, topic: Topic = Topic.FAILURES, state: str = "will"
) -> ChainStep:
    """T13: how many addresses really get it."""
    count = len(account.addresses_for(topic))
    if not count:
        return ChainStep("mail", "No email", "No address gets it", "", "skipped", "")
    label = f"Email to {count} address{'es' if count != 1 else ''}"
    return ChainStep("mail", label, detail, "", state, "")


def _without_refill(account: Account, at: Situation) -> tuple[ChainStep, ...]:
    if not at.methods:
        return (
            ChainStep("balance", "Balance", "Below your threshold", "", "idle", "dashed"),
            ChainStep(
                "placeholder", "Your first card", "Charge the refill amount", "", "idle", "dashed"
            ),
            _mail_step(account, "If it is declined", state="idle"),
        )
    if not at.choice.notification_on or at.choice.notification_threshold is None:
        return ()
    below = f"Below {account.show(at.choice.notification_threshold)}"
    return (
        ChainStep("balance", "Balance", below, "", "will", "solid"),
        _mail_step(account, "No charge", Topic.LOW_BALANCE),
    )


def _charging(account: Account, at: Situation, plan: Plan) -> tuple[ChainStep, ...]:
    steps = [_balance_step(account, at, "solid")]
    charged = False
    for method in at.methods:
        if not method.auto_charge:
            continue
        if method not in plan.methods:
            steps.append(_method_step(method, _why_skipped(method, at), "skipped", "dashed"))
            continue
        detail = "If declined" if charged else _charge_detail(account, at, plan)
        steps.append(_method_step(method, detail, "will", "dashed"))
        charged = True
    last = "If declined" if len(plan.methods) == 1 else "If all are declined"
    return (*steps, _mail_step(account, last))


def _charge_detail(account: Account, at: Situation, plan: Plan) -> str:
    if at.choice.refill_mode == "target" and not at.is_below:
        return f"Up to {account.show(at.choice.target or 0)}"
    return f"Charge {account.show(plan.amount)}"


def _waiting(account: Account, at: Situation) -> tuple[ChainStep, ...]:
    attempt = at.open_attempt
    if attempt is None or attempt.method is None:
        return ()
    planned = top_ups.is_planned(at, attempt)
    words = {
        AttemptState.CHALLENGED: "Waiting for you",
        AttemptState.REFUSED: "Refused, tried again" if planned else "Refused, not tried again",
    }.get(AttemptState(attempt.state), "Waiting for the bank")
    if not attempt.automatic:
        paid = f"{account.show(attempt.amount)} to add"
        return (
            _method_step(attempt.method, words, "active", "dashed"),
            ChainStep("balance", "Balance", paid, "", "will", ""),
        )
    steps, passed = [_balance_step(account, at, "solid")], False
    for method in at.methods:
        if method.id == attempt.method_id:
            steps.append(_method_step(method, words, "active", "dashed"))
            passed = True
        elif passed and method.is_chargeable(at.now):
            steps.append(_method_step(method, "If declined", "will", "dashed"))
    return (*steps, _mail_step(account, "If all are declined"))


def _broken(session: Session, account: Account, at: Situation, plan: Plan) -> tuple[ChainStep, ...]:
    """Nothing will be charged: the first arrow is crossed, the methods are grey."""
    shown = [m for m in at.methods if m.auto_charge or m is at.methods[0]]
    steps = [_balance_step(account, at, "broken" if shown else "")]
    first = next((m for m in shown if m.is_chargeable(at.now)), None)
    for index, method in enumerate(shown):
        detail = _why_not(method, at, plan, is_first=method is first)
        arrow = "dashed" if index < len(shown) - 1 else ""
        steps.append(_method_step(method, detail, "skipped", arrow))
    sent_at = outbox.last_told(session, account.id, TOLD) if at.is_below and shown else None
    if sent_at is not None and at.now - sent_at < RECENT:
        when = datetimes.within(datetimes.since(sent_at, at.time_zone, at.now))
        steps[-1] = replace(steps[-1], arrow="dashed")
        steps.append(_mail_step(account, f"Sent {when}"))
    return tuple(steps)


def _why_not(method: PaymentMethod, at: Situation, plan: Plan, *, is_first: bool) -> str:
    if plan.code in (Code.PRIMARY_OFF, Code.NO_METHOD):
        return "Not tried" if method.auto_charge else "Auto-charge is off"
    if method.standing(at.now) is not Standing.READY:
        return _why_skipped(method, at)
    if not is_first:
        return "If declined"
    if plan.code is Code.PAUSED:
        return "When resumed"
    if plan.code is Code.CAP_REACHED and plan.until is not None:
        return f"From {datetimes.when(plan.until, at.time_zone, at.now)}"
    return "Not charged"


def _why_skipped(method: PaymentMethod, at: Situation) -> str:
    match method.standing(at.now):
        case Standing.SUSPENDED if method.suspended_until is not None:
            return f"Skipped until {datetimes.day(method.suspended_until, at.time_zone, at.now)}"
        case Standing.EXPIRED:
            return "Skipped, expired"
        case Standing.AUTO_CHARGE_OFF:
            return "Auto-charge is off"
    return "Out of use"
