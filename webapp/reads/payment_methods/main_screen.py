"""The main screen (Payment Methods): its parts, as frozen objects for its templates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.burn_rate import BurnRate
from webapp.domain.top_ups.top_up import Plan, PlanInput
from webapp.reads.ledger.balance_chart import BalanceChart, Span, draw_chart
from webapp.reads.ledger.balance_history import BalanceHistory, read_history
from webapp.reads.ledger.balance_pill import BalancePill, draw_balance
from webapp.reads.payment_methods.banner import Banner, read_banner
from webapp.reads.payment_methods.method_rows import MethodRow, RowMessage, joined_ids, read_rows
from webapp.reads.payments.failed_payments import FailedPayment, read_failed_payments
from webapp.reads.top_ups.runway import read_burn_rate
from webapp.reads.top_ups.settings_panel import SettingsPanel, read_settings
from webapp.reads.top_ups.what_happens_next import NextPanel, read_next, shows_forecast


@dataclass(frozen=True)
class GettingStartedStep:
    done: bool
    available: bool


@dataclass(frozen=True)
class GettingStarted:
    """The empty state: confirm the email, add a card, configure refill and notifications."""

    email: GettingStartedStep
    """Confirming the reader's email address; required before adding a card (P5)."""
    card: GettingStartedStep
    refill: GettingStartedStep
    notification: GettingStartedStep

    @property
    def steps(self) -> tuple[GettingStartedStep, ...]:
        return self.email, self.card, self.refill, self.notification

    @property
    def done(self) -> int:
        return sum(step.done for step in self.steps)


@dataclass(frozen=True)
class PageHead:
    add_is_primary: bool
    offers_funds: bool
    """False if the banner has the Add Funds button."""
    offers_paypal: bool
    """Whether the operator allows PayPal (M11)."""


def read_head(ctx: Context, account_id: int, *, has_paypal: bool) -> PageHead:
    """Return the page head for pages without the list of methods."""
    account = ctx.session.get_one(Account, account_id)
    return PageHead(
        add_is_primary=True,
        offers_funds=True,
        offers_paypal=has_paypal and account.paypal_allowed,
    )


@dataclass
class MainScreen:
    """The parts of the main screen. A template reads the parts that it shows.

    Each part is read when it is first used, and what several parts need is read once. So a response
    with a few parts reads nothing for the others.
    """

    ctx: Context
    account_id: int
    messages: Mapping[int, RowMessage] = field(default_factory=dict)
    """Results of the last request, by method id."""
    fresh: int | None = None
    """Id of the method that the last request has added or moved."""
    has_paypal: bool = True
    """This installation has a PayPal processor."""
    is_confirmed: bool = True
    """The reader has confirmed their email address."""

    # The parts.

    @cached_property
    def head(self) -> PageHead:
        return PageHead(
            add_is_primary=self.has_methods and self.banner is None,
            offers_funds=self.banner is None or not self.banner.offers_funds,
            offers_paypal=self.has_paypal and self._account.paypal_allowed,
        )

    @cached_property
    def banner(self) -> Banner | None:
        return read_banner(self._account, self._inputs, self._plan)

    @cached_property
    def methods(self) -> tuple[MethodRow, ...]:
        return read_rows(
            self.ctx, self._account, self._inputs, self._plan, self.messages, self.fresh
        )

    @cached_property
    def has_methods(self) -> bool:
        return bool(self._inputs.methods)

    @cached_property
    def seen(self) -> str:
        """Order shown on this page, as ids joined by commas; sent back with each reorder (M5)."""
        return joined_ids(self._inputs.methods)

    @cached_property
    def getting_started(self) -> GettingStarted | None:
        """None once a method is saved."""
        if self.has_methods:
            return None
        return _getting_started(self._inputs, is_confirmed=self.is_confirmed)

    @cached_property
    def next(self) -> NextPanel:
        pace = self._pace if shows_forecast(self._inputs, self._plan) else None
        return read_next(self.ctx, self._account, self._inputs, self._plan, pace)

    @cached_property
    def failed(self) -> tuple[FailedPayment, ...]:
        return read_failed_payments(self.ctx, self._account)

    @cached_property
    def settings(self) -> SettingsPanel:
        return read_settings(self.ctx, self._account, self._inputs, self._pace)

    @property
    def can_turn_on(self) -> bool:
        """Whether any method has auto-charge on (T2)."""
        return any(method.auto_charge for method in self._inputs.methods)

    @cached_property
    def chart(self) -> BalanceChart:
        return draw_chart(self._account, self._history, self._inputs.choice, self._span)

    @cached_property
    def balance(self) -> BalancePill:
        return draw_balance(self._account, self._account.settings, self._history, self.ctx.now)

    # What several parts need.

    @cached_property
    def _account(self) -> Account:
        return Account.with_settings(self.ctx.session, self.account_id)

    @cached_property
    def _inputs(self) -> PlanInput:
        return top_ups.gather(self.ctx, self._account)

    @cached_property
    def _plan(self) -> Plan:
        """The planner's decision once the balance is below the threshold."""
        return top_ups.plan(self._inputs.just_below())

    @cached_property
    def _span(self) -> Span:
        return Span.of(30, self._account, self.ctx.now)

    @cached_property
    def _history(self) -> BalanceHistory:
        return read_history(self.ctx, self._account, self._span.start, self._span.samples)

    @cached_property
    def _pace(self) -> BurnRate | None:
        return read_burn_rate(self.ctx, self._account, self._history)


def _getting_started(inputs: PlanInput, *, is_confirmed: bool) -> GettingStarted:
    return GettingStarted(
        email=GettingStartedStep(done=is_confirmed, available=True),
        card=GettingStartedStep(done=bool(inputs.methods), available=is_confirmed),
        refill=GettingStartedStep(done=inputs.choice.refill_on, available=bool(inputs.methods)),
        notification=GettingStartedStep(done=inputs.choice.notification_on, available=True),
    )
