"""Top-ups (automatic refills): the record, and the planner that decides what is charged.

The planner is a pure function. It decides what is charged, and the screens show its answer as the
forecast, so the two always agree (T13).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from sqlalchemy import ForeignKey, String, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.currencies import Bounds
from webapp.database.base import Base, partial_index
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.events.timeline import Code
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.payment_method import MethodStatus, PaymentMethod
from webapp.domain.payments import queries
from webapp.domain.payments.payment import (
    AUTHENTICATION_REQUIRED,
    OPEN_STATES,
    RESUMABLE,
    Attempt,
    Payment,
    PaymentKind,
    PaymentState,
)
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import round_down, round_up
from webapp.domain.shared.policy import Automatic
from webapp.domain.top_ups.settings import (
    Choice,
    LowBalanceSettings,
    PausedBy,
    RefillMode,
    falls_below,
)

BURST = 3
BURST_WINDOW = timedelta(minutes=10)
"""T10: at most `BURST` automatic charges are made in this time. Instead of a further charge,
automatic refills pause until a person resumes them."""


class TopUpState(StrEnum):
    OPEN = "open"
    PAID = "paid"
    EXHAUSTED = "exhausted"
    """Every method has failed (T11). A later refill is a new top-up."""
    DROPPED = "dropped"
    """Cancelled before money was taken: no longer needed, or no longer allowed."""


class TopUp(Base):
    __tablename__ = "top_up"
    __table_args__ = (
        # T8: one open top-up per account.
        partial_index(
            "uq_top_up_open_per_account", "account_id", where="state = 'open'", unique=True
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    state: Mapped[TopUpState] = mapped_column(String(10), default=TopUpState.OPEN)
    cause: Mapped[str] = mapped_column(String(60))
    """Cause of the check that opened the top-up: "usage", "settings applied"…"""
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    def close(self, state: TopUpState, now: datetime) -> None:
        if self.state == TopUpState.OPEN:
            self.state = state
            self.closed_at = now


def open_top_up(session: Session, account_id: int) -> TopUp | None:
    return session.scalar(
        select(TopUp).where(TopUp.account_id == account_id, TopUp.state == TopUpState.OPEN)
    )


def opened_since(session: Session, account_id: int, instant: datetime) -> TopUp | None:
    """Return the account's newest top-up, in any state, if it was opened at `instant` or later."""
    newest = select(TopUp).where(TopUp.account_id == account_id).order_by(TopUp.id.desc()).limit(1)
    found = session.scalar(newest)
    return found if found is not None and found.opened_at >= instant else None


def why_not_resumable(ctx: Context, attempt: Attempt) -> str:
    """Return why an emailed link can no longer resume this payment; empty if it can (F10)."""
    if not attempt.automatic or attempt.decline_code != AUTHENTICATION_REQUIRED:
        return "This link does not match a payment that needs your confirmation."
    declined_at = attempt.declined_at or attempt.started_at
    if ctx.now >= declined_at + RESUMABLE:
        return "This link has expired: it was valid for 48 hours."
    retry = queries.last_retry_of(ctx.session, attempt)
    if retry is not None:
        return _IN_PROGRESS if retry.is_open else "This link has been used."
    if attempt.link_ended_at is not None or attempt.payment.state == PaymentState.PAID:
        return "This payment is no longer needed: another one has refilled the balance."
    if queries.open_attempts(ctx.session, attempt.account_id):
        return "Another payment is in progress. If it fails, this link works again."
    return ""


_IN_PROGRESS = "This payment is in progress. Wait for its outcome before you confirm it again."


def end_links(ctx: Context, account: Account) -> None:
    """End emailed links for good after a credit, if no refill is due any more (F10)."""
    settings = LowBalanceSettings.of(ctx.session, account.id)
    if not settings.is_below_refill(account.balance):
        queries.end_links(ctx, account.id)


@dataclass(frozen=True)
class Pending:
    """An open top-up or payment for which a charge can be started."""

    kind: str
    """ "top_up" or "payment" (Add Funds by auto-charge)."""
    id: int


def pending_charges(session: Session, limit: int = 500) -> list[Pending]:
    """Return open top-ups and payments that are not waiting for a processor's answer."""
    waiting = exists().where(Attempt.account_id == TopUp.account_id, Attempt.state.in_(OPEN_STATES))
    top_ups = session.scalars(
        select(TopUp.id).where(TopUp.state == TopUpState.OPEN, ~waiting).limit(limit)
    )
    asked = exists().where(Attempt.payment_id == Payment.id, Attempt.state.in_(OPEN_STATES))
    chains = session.scalars(
        select(Payment.id)
        .where(Payment.state == PaymentState.OPEN, Payment.kind == PaymentKind.AUTO_CHARGE, ~asked)
        .limit(limit)
    )
    return [Pending("top_up", it) for it in top_ups] + [Pending("payment", it) for it in chains]


def burst_window(resumed_at: datetime | None, at: datetime) -> tuple[datetime, datetime]:
    """Return start and end of the burst breaker's window; Resume starts an empty one (T10).

    The window also extends into the future by its own length. Times beyond it are ignored: they
    were recorded before the clock was set back.
    """
    since, until = at - BURST_WINDOW, at + BURST_WINDOW
    if resumed_at is not None and since < resumed_at < until:
        since = resumed_at
    return since, until


@dataclass(frozen=True)
class PlanInput:
    """The planner's input. Amounts in micros."""

    now: datetime
    time_zone: str
    balance: int
    choice: Choice
    methods: tuple[PaymentMethod, ...]
    """The listed methods, in the customer's order."""
    bounds: Bounds
    """Of the account's currency."""
    automatic: Automatic = Automatic.ON
    """Whether the installation makes automatic refills."""
    account_state: AccountState = AccountState.ACTIVE
    paused_by: PausedBy | None = None
    """None unless automatic refills are paused."""
    low_by_reversal: bool = False
    """A refund or dispute alone took the balance below the threshold (L7)."""
    refill_held: bool = False
    """The refill that an operator's debit or a new method would start is on hold (T18)."""
    spent_today: int = 0
    spent_this_month: int = 0
    recent_top_ups: int = 0
    """Number of automatic charges in the burst window."""
    open_attempt: Attempt | None = None
    manual_open: bool = False
    """A manual payment or Retry may still succeed (T15)."""
    tried: frozenset[int] = frozenset()
    """Ids of methods that this top-up has tried; each is tried once (T7)."""

    @cached_property
    def standings(self) -> Mapping[int, MethodStatus]:
        """By the id of each method, whether it can be charged automatically."""
        return {method.id: method.standing(self.now) for method in self.methods}

    @cached_property
    def is_below(self) -> bool:
        return self.choice.threshold is not None and falls_below(
            self.balance, self.choice.threshold
        )

    def at_rest(self) -> "PlanInput":
        """Return a copy without the open payments, as if they had failed."""
        return replace(self, open_attempt=None, manual_open=False)

    @property
    def is_bursting(self) -> bool:
        """Whether the next charge would pause automatic refills instead (T10)."""
        return self.paused_by is None and self.recent_top_ups >= BURST

    def just_below(self) -> "PlanInput":
        """Return a copy with the balance below the threshold."""
        if self.is_below or self.choice.threshold is None:
            return self
        return replace(self, balance=self.choice.threshold - 1)


@dataclass(frozen=True)
class Plan:
    """The planner's answer: a charge, or the reason why there is none."""

    code: Code
    amount: int = 0
    """Micros, in whole minor units."""
    methods: tuple[PaymentMethod, ...] = ()
    """Methods to charge, in order; the next one only after a conclusive decline (T7)."""
    until: datetime | None = None
    """When the obstacle ends by itself, if it does."""
    limit: str = ""
    """The limit that reduced or stopped the charge: "largest_charge", "day" or "month"."""

    @property
    def charges(self) -> bool:
        return self.code is Code.CHARGING


def gather(ctx: Context, account: Account, *, tried: frozenset[int] = frozenset()) -> PlanInput:
    """Read the planner's input; under the account's lock this is the final check (T14)."""
    settings = LowBalanceSettings.of(ctx.session, account.id)
    spending = queries.spending(
        ctx.session,
        account.id,
        day=datetimes.start_of_day(ctx.now, account.time_zone),
        month=datetimes.start_of_month(ctx.now, account.time_zone),
        burst=burst_window(settings.resumed_at, ctx.now),
    )
    open_attempts = queries.open_attempts(ctx.session, account.id) if spending.any_open else []
    return PlanInput(
        now=ctx.now,
        time_zone=account.time_zone,
        balance=account.balance,
        choice=settings.chosen(),
        methods=tuple(payment_methods.listed(ctx.session, account.id)),
        bounds=ctx.policy.bounds(account.currency),
        automatic=ctx.policy.automatic,
        account_state=AccountState(account.state),
        paused_by=settings.paused_by,
        low_by_reversal=settings.low_by_reversal,
        refill_held=settings.refill_held,
        spent_today=spending.today,
        spent_this_month=spending.this_month,
        recent_top_ups=spending.recent,
        open_attempt=open_attempts[0] if open_attempts else None,
        manual_open=spending.manual_open,
        tried=tried,
    )


def without(inputs: PlanInput, attempt: Attempt) -> PlanInput:
    """Return a copy as if this open attempt of a top-up had not been made."""
    amount = attempt.amount
    return replace(
        inputs,
        open_attempt=None,
        spent_today=max(0, inputs.spent_today - amount),
        spent_this_month=max(0, inputs.spent_this_month - amount),
        recent_top_ups=max(0, inputs.recent_top_ups - 1),
    )


def is_still_wanted(ctx: Context, account: Account, attempt: Attempt) -> bool:
    """Return whether the same charge would be made now (T14); always true for manual payments."""
    return is_planned(gather(ctx, account), attempt)


def is_planned(inputs: PlanInput, attempt: Attempt) -> bool:
    """Return `is_still_wanted` for inputs that were already read."""
    if not attempt.automatic:
        return True
    tried = attempt.payment.tried_method_ids - {attempt.method_id or 0}
    now_planned = plan(without(replace(inputs, tried=tried), attempt))
    same = (attempt.method_id, attempt.amount)
    return now_planned.charges and (now_planned.methods[0].id, now_planned.amount) == same


def plan(inputs: PlanInput) -> Plan:
    """Return the methods and amount to charge, or the reason for no charge. A pure function."""
    if inputs.open_attempt is not None or inputs.manual_open:
        return Plan(Code.WAITING)  # checked first: this money may still arrive
    if inputs.account_state is AccountState.CLOSED:
        return Plan(Code.ACCOUNT_CLOSED)
    if not inputs.choice.refill_on:
        return Plan(Code.REFILL_OFF)
    if not inputs.is_below:
        return Plan(Code.ABOVE_THRESHOLD)
    if inputs.account_state is AccountState.SUSPENDED:
        return Plan(Code.ACCOUNT_SUSPENDED)
    if inputs.automatic is Automatic.OFF:
        return Plan(Code.SWITCHED_OFF)
    if inputs.paused_by is not None:
        return Plan(Code.PAUSED)
    if inputs.low_by_reversal and inputs.is_below:
        return Plan(Code.AFTER_REVERSAL)
    if inputs.refill_held:
        return Plan(Code.REFILL_HELD)
    if inputs.choice.faults(inputs.bounds, str):
        return Plan(Code.SETTINGS_OUT_OF_BOUNDS)

    consented = [method for method in inputs.methods if method.auto_charge]
    if not consented:
        return Plan(Code.NO_METHOD)
    if not inputs.methods[0].auto_charge:
        return Plan(Code.PRIMARY_OFF)
    methods = chargeable(inputs)
    if not methods:
        code = Code.ALL_FAILED if inputs.tried else Code.ALL_SUSPENDED
        return Plan(code, until=next_suspension_end(inputs))

    amount, limit, until = amount_to_charge(inputs)
    if amount < inputs.bounds.payment_min:
        return Plan(Code.CAP_REACHED, until=until, limit=limit)
    if inputs.is_bursting:
        return Plan(Code.PAUSED)
    dry = inputs.automatic is Automatic.DRY_RUN
    return Plan(Code.DRY_RUN if dry else Code.CHARGING, amount, methods, limit=limit)


def chargeable(inputs: PlanInput) -> tuple[PaymentMethod, ...]:
    """Return the methods that can be charged, in order (T6)."""
    return tuple(
        method
        for method in inputs.methods
        if inputs.standings[method.id] is MethodStatus.READY and method.id not in inputs.tried
    )


def next_suspension_end(inputs: PlanInput) -> datetime | None:
    """Return the earliest end of a suspension among methods with auto-charge on."""
    ends = [
        method.suspended_until
        for method in inputs.methods
        if method.suspended_until is not None
        and inputs.standings[method.id] is MethodStatus.SUSPENDED
    ]
    return min(ends, default=None)


def amount_to_charge(inputs: PlanInput) -> tuple[int, str, datetime | None]:
    """Return the charge in micros, the limit that reduced it, and the end of its window (T9).

    Without a reduction the limit is empty. A limit never makes the charge larger.
    """
    amount = amount_before_limits(inputs)
    limit, until = "", None
    if amount > inputs.choice.most_at_once:
        amount, limit = inputs.choice.most_at_once, "largest_charge"
    left_today = _remaining(inputs, inputs.choice.day_limit, inputs.spent_today)
    if left_today is not None and amount > left_today:
        amount, limit = left_today, "day"
        until = datetimes.start_of_next_day(inputs.now, inputs.time_zone)
    left_this_month = _remaining(inputs, inputs.choice.month_limit, inputs.spent_this_month)
    # If both limits are used up, report the monthly one: it still applies tomorrow.
    if left_this_month is not None and (
        amount > left_this_month or left_this_month < inputs.bounds.payment_min
    ):
        amount, limit = min(amount, left_this_month), "month"
        until = datetimes.start_of_next_month(inputs.now, inputs.time_zone)
    return amount, limit, until


def amount_before_limits(inputs: PlanInput) -> int:
    """Return the amount that the settings ask for, before any limit."""
    choice = inputs.choice
    if choice.refill_mode is RefillMode.TARGET:
        gap = round_up((choice.target or 0) - inputs.balance, inputs.bounds.currency)
        return max(gap, inputs.bounds.payment_min)
    return choice.refill_amount or 0


def _remaining(inputs: PlanInput, limit: int | None, spent: int) -> int | None:
    currency = inputs.bounds.currency
    return None if limit is None else round_down(max(0, limit - spent), currency)
