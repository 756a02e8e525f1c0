"""The main screen answers: am I covered, and what happens if I am not?

Frozen objects, ready to be shown; templates get these and nothing else.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import moments, top_ups
from webapp.domain.accounts import Account
from webapp.domain.decisions import Code
from webapp.domain.declines import reason
from webapp.domain.payment_methods import EXPIRY_BADGE, MethodKind, PaymentMethod, Standing
from webapp.domain.policy import Policy
from webapp.domain.top_ups import Plan, Situation
from webapp.reads.balance_chart import BalanceChart, read_chart
from webapp.reads.failed_payments import FailedPayment, last_failure, read_failed_payments
from webapp.reads.low_balance_settings import SettingsPanel, read_settings
from webapp.reads.what_happens_next import NextPanel, read_next


@dataclass(frozen=True)
class Badge:
    text: str
    """ "39 days left", "Replace this card"."""
    tone: str
    """ "warn" or "bad"."""


@dataclass(frozen=True)
class RowMessage:
    """Said once under a row, after something was tried with it."""

    text: str
    tone: str
    """ "ok" or "bad"; a bad one is role="alert"."""


@dataclass(frozen=True)
class MethodRow:
    id: int
    position: int
    """1-based."""
    name: str
    """ "Visa •••• 4242", "PayPal ana@example.com"."""
    brand: str
    """The brand chip: visa, mastercard, amex, discover, diners, jcb, unionpay, maestro, paypal."""
    detail: str
    """ "Expires 08/28", "Expired 10/26", "Linked 12 Mar 2026"."""
    badge: Badge | None
    trouble: str
    """Instead of the detail: "Suspended until Tue 24 Nov, 10:02 · Insufficient funds"."""
    trouble_icon: str
    """ "clock" (time will mend it) or "alert-triangle"."""
    status: str
    """ "Ready", "Manual only", "Paused", "Not used", "Not charged"; empty where Retry stands."""
    status_tone: str
    """ "ok", "off" (hollow dot), "warn" or "bad"."""
    auto_charge: bool
    is_primary: bool
    is_last: bool
    retry_attempt_id: int | None
    """The failed attempt that Retry repeats; None where there is nothing to retry."""
    order_up: str
    """The whole wished order after Move up, ids joined by commas; empty on the first row."""
    order_down: str
    """The same for Move down; empty on the last row."""
    message: RowMessage | None = None
    is_fresh: bool = False
    """Just moved or added: one soft flash."""
    is_retrying: bool = False
    """A payment with this suspended or barred method is under way: "Retrying" instead of Retry."""


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


@dataclass(frozen=True)
class GettingStartedStep:
    done: bool
    available: bool


@dataclass(frozen=True)
class GettingStarted:
    """The empty state: add a card, configure refill, configure notifications."""

    card: GettingStartedStep
    refill: GettingStartedStep
    notification: GettingStartedStep

    @property
    def done(self) -> int:
        return sum(step.done for step in (self.card, self.refill, self.notification))


@dataclass(frozen=True)
class PaymentMethodsScreen:
    methods: tuple[MethodRow, ...]
    seen: str
    """The order this page shows, ids joined by commas: sent back with each reorder (M5)."""
    banner: PausedBanner | None
    getting_started: GettingStarted | None
    """Only while no method is saved."""
    next: NextPanel
    failed: tuple[FailedPayment, ...]
    settings: SettingsPanel
    chart: BalanceChart
    revision: int


def read_screen(
    session: Session,
    account_id: int,
    now: datetime,
    policy: Policy,
    *,
    messages: dict[int, RowMessage] | None = None,
    fresh: int | None = None,
) -> PaymentMethodsScreen:
    """`messages` by method id, and the `fresh` row's id, come from what was just done."""
    account = session.get_one(Account, account_id)
    at = top_ups.gather(session, account, now, policy)
    forecast = at.just_below()
    plan = top_ups.plan(forecast)
    return PaymentMethodsScreen(
        methods=_rows(session, at, plan, messages or {}, fresh),
        seen=_ids(at.methods),
        banner=_banner(account, at, plan),
        getting_started=None if at.methods else _getting_started(at),
        next=read_next(session, account, at, plan),
        failed=read_failed_payments(session, account, now),
        settings=read_settings(session, account, at),
        chart=read_chart(session, account, at.choice, now),
        revision=account.revision,
    )


def _ids(methods: tuple[PaymentMethod, ...] | list[PaymentMethod]) -> str:
    return ",".join(str(method.id) for method in methods)


def _moved(methods: tuple[PaymentMethod, ...], index: int, to: int) -> str:
    if not 0 <= to < len(methods):
        return ""
    order = list(methods)
    order.insert(to, order.pop(index))
    return _ids(order)


def _rows(
    session: Session,
    at: Situation,
    plan: Plan,
    messages: dict[int, RowMessage],
    fresh: int | None,
) -> tuple[MethodRow, ...]:
    rows = []
    for index, method in enumerate(at.methods):
        trouble, icon = _trouble(method, at)
        retry = last_failure(session, method.id) if trouble else None
        status, tone = _status(method, at, plan)
        rows.append(
            MethodRow(
                id=method.id,
                position=index + 1,
                name=method.label,
                brand="paypal" if method.kind == MethodKind.PAYPAL else method.brand,
                detail=_detail(method, at),
                badge=_badge(method, at),
                trouble=trouble,
                trouble_icon=icon,
                status="" if retry else status,
                status_tone=tone,
                auto_charge=method.auto_charge,
                is_primary=index == 0,
                is_last=index == len(at.methods) - 1,
                retry_attempt_id=retry,
                order_up=_moved(at.methods, index, index - 1),
                order_down=_moved(at.methods, index, index + 1),
                message=messages.get(method.id),
                is_fresh=method.id == fresh,
                is_retrying=bool(trouble) and _is_open(at, method),
            )
        )
    return tuple(rows)


def _is_open(at: Situation, method: PaymentMethod) -> bool:
    return at.open_attempt is not None and at.open_attempt.method_id == method.id


def _trouble(method: PaymentMethod, at: Situation) -> tuple[str, str]:
    why = reason(method.failure_code)
    match method.obstacle(at.now):
        case Standing.SUSPENDED if method.suspended_until is not None:
            until = moments.when(method.suspended_until, at.time_zone, at.now)
            return f"Suspended until {until} · {why.sentence}", "clock"
        case Standing.BARRED:
            advice = why.advice.split(";")[0].split(",")[0].rstrip(".")
            return f"Out of use until you retry or replace it · {advice}", "alert-triangle"
        case Standing.RESTED:
            return (
                "Out of use until you retry or replace it · 5 declines in a row",
                "alert-triangle",
            )
    return "", ""


def _detail(method: PaymentMethod, at: Situation) -> str:
    if method.kind == MethodKind.PAYPAL:
        return f"Linked {moments.day(method.created_at, at.time_zone, at.now)}"
    return f"{'Expired' if method.is_expired(at.now) else 'Expires'} {method.expiry}"


def _badge(method: PaymentMethod, at: Situation) -> Badge | None:
    if method.is_expired(at.now):
        return Badge("Replace this card", "bad")
    days = method.days_left(at.now, at.time_zone)
    if days is None or days > EXPIRY_BADGE.days:
        return None
    if days <= 0:
        return Badge("Last day", "warn")
    return Badge("1 day left" if days == 1 else f"{days} days left", "warn")


def _status(method: PaymentMethod, at: Situation, plan: Plan) -> tuple[str, str]:
    standing = method.standing(at.now)
    if standing is Standing.EXPIRED or method.is_expired(at.now):
        return "Not charged", "bad"
    if plan.code is Code.PRIMARY_OFF:
        if method is at.methods[0]:
            return "Paused", "warn"
        return ("Not used", "off") if method.auto_charge else ("Manual only", "off")
    if not method.auto_charge:
        return "Manual only", "off"
    return ("Ready", "ok") if standing is Standing.READY else ("Not charged", "bad")


def _banner(account: Account, at: Situation, plan: Plan) -> PausedBanner | None:
    title = "Automatic payments are paused"
    if plan.code is Code.PAUSED:
        text = (
            "There were more than 3 refills in 10 minutes. "
            "Check your usage, then resume automatic payments."
        )
        return PausedBanner(title, text, None, "", "", resume=True)
    if not at.methods or plan.code not in (Code.PRIMARY_OFF, Code.NO_METHOD):
        return None
    primary = at.methods[0]
    balance, threshold = account.show(at.balance), account.show(at.choice.threshold or 0)
    if at.is_below:
        state = (
            f"Your balance is {balance}, already below {threshold}, and nothing will be charged."
        )
    else:
        state = f"Nothing will be charged when your balance of {balance} falls below {threshold}."
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
        make_primary_order=_ids(order),
    )


def _getting_started(at: Situation) -> GettingStarted:
    return GettingStarted(
        card=GettingStartedStep(done=bool(at.methods), available=True),
        refill=GettingStartedStep(done=at.choice.refill_on, available=bool(at.methods)),
        notification=GettingStartedStep(done=at.choice.notification_on, available=True),
    )
