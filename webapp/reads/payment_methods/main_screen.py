"""The main screen (Payment Methods), as frozen objects for its templates."""

from collections.abc import Mapping
from dataclasses import dataclass

from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.top_ups.top_up import PlanInput
from webapp.reads.ledger.balance_chart import BalanceChart, Span, draw_chart
from webapp.reads.ledger.balance_history import read_history
from webapp.reads.ledger.balance_pill import BalancePill, draw_balance
from webapp.reads.payment_methods.banner import Banner, read_banner
from webapp.reads.payment_methods.method_rows import MethodRow, RowMessage, joined_ids, read_rows
from webapp.reads.payments.failed_payments import FailedPayment, read_failed_payments
from webapp.reads.top_ups.runway import read_burn_rate
from webapp.reads.top_ups.settings_panel import SettingsPanel, read_settings
from webapp.reads.top_ups.what_happens_next import NextPanel, read_next


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


@dataclass(frozen=True)
class PaymentMethodsScreen:
    methods: tuple[MethodRow, ...]
    seen: str
    """Order shown on this page, as ids joined by commas; sent back with each reorder (M5)."""
    banner: Banner | None
    getting_started: GettingStarted | None
    """None once a method is saved."""
    next: NextPanel
    failed: tuple[FailedPayment, ...]
    settings: SettingsPanel
    chart: BalanceChart
    balance: BalancePill
    offers_paypal: bool
    revision: int

    @property
    def has_methods(self) -> bool:
        return bool(self.methods)

    @property
    def head(self) -> "PageHead":
        return PageHead(
            add_is_primary=self.add_is_primary,
            offers_funds=self.banner is None or not self.banner.offers_funds,
            offers_paypal=self.offers_paypal,
        )

    @property
    def add_is_primary(self) -> bool:
        """Add Payment Method is the page's primary button."""
        return self.has_methods and self.banner is None


def read_screen(
    ctx: Context,
    account_id: int,
    *,
    messages: Mapping[int, RowMessage] | None = None,
    fresh: int | None = None,
    has_paypal: bool = True,
    is_confirmed: bool = True,
) -> PaymentMethodsScreen:
    """Read the main screen.

    `messages` (by method id) and `fresh` (a method id) show the result of the last request.
    `has_paypal`: this installation has a PayPal processor. `is_confirmed`: the reader has confirmed
    their email address.
    """
    account = Account.with_settings(ctx.session, account_id)
    inputs = top_ups.gather(ctx, account)
    forecast = inputs.just_below()
    plan = top_ups.plan(forecast)
    settings = LowBalanceSettings.of(ctx.session, account_id)
    span = Span.of(30, account, ctx.now)
    history = read_history(ctx, account, span.start, span.samples)
    pace = read_burn_rate(ctx, account, history)
    failed = read_failed_payments(ctx, account)
    return PaymentMethodsScreen(
        methods=read_rows(ctx, account, inputs, plan, failed, messages or {}, fresh),
        seen=joined_ids(inputs.methods),
        banner=read_banner(account, inputs, plan),
        getting_started=None
        if inputs.methods
        else _getting_started(inputs, is_confirmed=is_confirmed),
        next=read_next(ctx, account, inputs, plan, pace),
        failed=failed,
        settings=read_settings(ctx, account, inputs, pace),
        chart=draw_chart(account, history, inputs.choice, span),
        balance=draw_balance(account, settings, history, ctx.now),
        offers_paypal=has_paypal and account.paypal_allowed,
        revision=account.revision,
    )


def _getting_started(inputs: PlanInput, *, is_confirmed: bool) -> GettingStarted:
    return GettingStarted(
        email=GettingStartedStep(done=is_confirmed, available=True),
        card=GettingStartedStep(done=bool(inputs.methods), available=is_confirmed),
        refill=GettingStartedStep(done=inputs.choice.refill_on, available=bool(inputs.methods)),
        notification=GettingStartedStep(done=inputs.choice.notification_on, available=True),
    )
