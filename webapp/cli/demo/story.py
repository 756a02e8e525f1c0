"""The demo account's 60 days of history, made by the real actions so the ledger check passes (L13).

It runs on its own clock in one transaction: the history is committed as a whole, and no worker
charges and no mail server sends anything that lies in the past.
"""

from calendar import monthrange
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from operator import itemgetter
from random import Random
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from webapp.actions.accounts.create_account import NewAccount, create_account
from webapp.actions.notifications.send_emails import send_emails
from webapp.actions.payment_methods.add_method import Asked, add_card, link_paypal
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.actions.payment_methods.finish_setup import finish_setup
from webapp.actions.payment_methods.lift_suspensions import lift_suspensions
from webapp.actions.payment_methods.set_auto_charge import set_auto_charge
from webapp.actions.payments.pay import pay_now
from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.actions.top_ups.resume_pending import resume_pending
from webapp.actions.usage.open_hold import open_hold
from webapp.actions.usage.post_usage import post_usage
from webapp.cli.demo import calls
from webapp.cli.demo.calls import Reading
from webapp.clock import Clock
from webapp.currencies import Bounds, minor_unit
from webapp.delivery.mailer import OutboxMailer
from webapp.domain.accounts.choice import AccountChoice
from webapp.domain.payment_methods.payment_method import SUSPENSION
from webapp.domain.shared.context import COMMAND_LINE, SYSTEM, Actor, Context
from webapp.domain.shared.money import CENT, MICROS
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.settings import AMOUNTS, Choice, LowBalanceSettings
from webapp.domain.usage.hold_request import HoldRequest
from webapp.domain.usage.holds import LIFE
from webapp.domain.users.owner import OwnerChoice
from webapp.ports import Processors
from webapp.processors.sandbox.books import SandboxBooks
from webapp.processors.sandbox.card_form import token_for
from webapp.processors.sandbox.processor import SandboxPayPal, SandboxProcessor
from webapp.processors.sandbox.records import AnswerKind
from webapp.reads.system.installation import DEMO_EMAIL

PASSWORD = "keep-it-afloat"
ZONE = ZoneInfo("Europe/Dublin")
SEED = 4242

DAYS = 60
FIRST_PAYMENT = 150 * MICROS
PRESENT = 63_402_750
SETTINGS = Choice(
    refill_on=True,
    threshold=50 * MICROS,
    refill_amount=100 * MICROS,
    notification_on=True,
    notification_threshold=75 * MICROS,
)
REFILLS = ((51, 16, 5), (42, 11, 32), (34, 9, 48), (25, 14, 21), (17, 3, 17), (9, 17, 6))
"""Days ago, hour and minute in Dublin; three are within the last 30 days."""
DECLINED = 17
"""Days ago of the refill where the Visa was declined and the Mastercard paid."""
LIMIT_SET = (10, 15, 40)
CALLS_IN_PROGRESS = {"demo-running-1": 4_100_000, "demo-running-2": 2_300_000}
"""Amounts of the open holds, by reference."""

ADDRESS = {
    "cardholder": "Ana Ruiz",
    "country": "IE",
    "line": "12 Harbour Row",
    "city": "Dublin",
    "postcode": "D02 AF30",
}

Event = tuple[datetime, Callable[[], object]]


class StoryClock(Clock):
    """A clock that stands still until the story sets it."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.at = at

    def now(self) -> datetime:
        return self.at


@dataclass
class Story:
    session: Session
    books: SandboxBooks
    keeper: OutboxMailer
    """Renders emails without sending them."""
    now: datetime
    currency: str

    def __post_init__(self) -> None:
        self.clock = StoryClock(self.now)
        cards = SandboxProcessor(self.books, self.clock, sleep=lambda seconds: None)
        paypal = SandboxPayPal(self.books, self.clock, sleep=lambda seconds: None)
        self.card_processor, self.paypal_processor = cards, paypal
        self.processors: Processors = {cards.name: cards, paypal.name: paypal}
        # The installation's own limits may be too tight for this story.
        self.policy = Policy({self.currency: Bounds.default(self.currency)})
        # The story's amounts are in cents; a yen is as good as one.
        self.scale = minor_unit(self.currency) // CENT
        self.random = Random(SEED)  # noqa: S311 - a fixed seed makes every demo the same
        self.cards: dict[str, int] = {}

    def tell(self) -> NewAccount:
        self.clock.at = self._ago(DAYS, 9, 30)
        self.account = create_account(
            self._ctx(COMMAND_LINE),
            AccountChoice("Harbour Voice", time_zone=ZONE.key, own_metering=True),
            OwnerChoice(DEMO_EMAIL, "Ana Ruiz", PASSWORD),
        )
        self.ana = Actor(self.account.user_id, "Ana Ruiz", "203.0.113.24")
        for at, happen in sorted(self._events(), key=itemgetter(0)):
            self.clock.at = at
            happen()
            send_emails(self._ctx(), self.keeper)
        return self.account

    def _ctx(self, actor: Actor = SYSTEM) -> Context:
        now = self.clock.now()
        return Context(self.session, now, actor, self.policy, self.clock, self.processors)

    def _events(self) -> Iterable[Event]:
        declined = self._ago(*next(refill for refill in REFILLS if refill[0] == DECLINED))
        visa, mastercard, amex = self._cards()
        return [
            (self._ago(DAYS, 9, 36), lambda: self._add(visa)),
            (self._ago(DAYS, 9, 41), lambda: self._pay("4242", FIRST_PAYMENT)),
            (self._ago(DAYS, 9, 44), lambda: self._apply(SETTINGS)),
            (self._ago(DAYS - 1, 14, 12), lambda: self._add(mastercard, consent=True)),
            (self._ago(DAYS - 6, 10, 20), lambda: self._add(amex, consent=True)),
            (self._ago(38, 16, 52), self._link_paypal),
            *[(reading.at, lambda r=reading: self._meter(r)) for reading in self._readings()],
            (
                declined - timedelta(seconds=1),
                lambda: self._next_answer("4242", "generic_decline"),
            ),
            (
                declined + SUSPENSION + timedelta(seconds=20),
                lambda: lift_suspensions(self._ctx()),
            ),
            (
                self._ago(*LIMIT_SET),
                lambda: self._apply(replace(SETTINGS, day_limit=300 * MICROS)),
            ),
            (self._this_morning(), self._declined_by_amex),
            (self.now - timedelta(minutes=2), self._calls_in_progress),
        ]

    def _readings(self) -> list[Reading]:
        """Usage that crosses the threshold at each refill and ends at the present balance."""
        start, balance = self._ago(DAYS, 10, 0), FIRST_PAYMENT
        threshold, refill = SETTINGS.threshold or 0, SETTINGS.refill_amount or 0
        found: list[Reading] = []
        for ago in REFILLS:
            at, below = self._ago(*ago), self.random.randrange(90_000, 480_000)
            last = below + self.random.randrange(60_000, 400_000)
            before = balance - (threshold - below + last)
            found += calls.readings(self.random, start, at, before, ZONE)
            found.append(calls.one_call(at, last, ZONE))
            start, balance = at, threshold - below + refill
        rest = balance - PRESENT
        return found + calls.readings(self.random, start, self.now, rest, ZONE)

    def _cards(self) -> list[dict[str, str]]:
        year, soon = self.now.year, self._soon_to_expire()
        return [
            {"number": "4242424242424242", "expiry": f"08/{year + 2}", "security_code": "314"},
            {
                "number": "5555555555554444",
                "expiry": f"{soon.month:02d}/{soon.year}",
                "security_code": "271",
            },
            {"number": "378282246310005", "expiry": f"03/{year + 3}", "security_code": "1618"},
        ]

    def _link_paypal(self) -> None:
        account_id = self.account.account_id
        allow_paypal(self._ctx(COMMAND_LINE), account_id, True)
        asked = link_paypal(
            self._ctx(self.ana),
            account_id,
            self.paypal_processor,
            return_to="/",
        )
        challenge = asked.address.rpartition("/")[2]
        self.books.challenges.agree(challenge, "ana@example.com", self.clock.at)
        finish_setup(
            self._ctx(self.ana),
            account_id,
            asked.setup_id,
        )

    def _soon_to_expire(self) -> date:
        """The first end of a month that is at least 29 (so at most 59) days away."""
        day = self.now.astimezone(ZONE).date() + timedelta(days=29)
        return day.replace(day=monthrange(day.year, day.month)[1])

    def _this_morning(self) -> datetime:
        """10:02 today or, until half an hour after that, three hours ago."""
        morning = self._ago(0, 10, 2)
        if self.now - morning > timedelta(minutes=30):
            return morning
        return (self.now - timedelta(hours=3)).replace(second=0, microsecond=0)

    def _ago(self, days: int, hour: int, minute: int) -> datetime:
        day = self.now.astimezone(ZONE).date() - timedelta(days=days)
        return datetime.combine(day, time(hour, minute), ZONE).astimezone(UTC)

    def _add(self, card: dict[str, str], *, consent: bool = False) -> None:
        token = token_for(self.books, {**card, **ADDRESS}, self.clock.at)
        added = add_card(
            self._ctx(self.ana),
            self.account.account_id,
            token,
            self.card_processor,
        )
        if isinstance(added, Asked):
            raise RuntimeError("the demo's cards are saved without a challenge")
        self.cards[added.last4] = added.id
        if consent:
            set_auto_charge(
                self._ctx(self.ana),
                self.account.account_id,
                added.id,
                True,
            )

    def _pay(self, last4: str, amount: int) -> None:
        pay_now(
            self._ctx(self.ana),
            self.account.account_id,
            self.cards[last4],
            amount * self.scale,
            f"demo-{last4}-{amount}",
        )

    def _declined_by_amex(self) -> None:
        self._next_answer("0005", "insufficient_funds")
        self._pay("0005", 250 * MICROS)

    def _calls_in_progress(self) -> None:
        for reference, amount in CALLS_IN_PROGRESS.items():
            held = HoldRequest(LIFE, amount * self.scale)
            open_hold(self._ctx(), self.account.account_id, reference, held)

    def _next_answer(self, last4: str, code: str) -> None:
        self.books.queue_answer(AnswerKind.DECLINE, decline_code=code, last4=last4)

    def _apply(self, choice: Choice) -> None:
        account_id = self.account.account_id
        seen = LowBalanceSettings.of(self.session, account_id).version
        amounts = {name: getattr(choice, name) for name in AMOUNTS}
        scaled = {name: amount and amount * self.scale for name, amount in amounts.items()}
        apply_settings(self._ctx(self.ana), account_id, replace(choice, **scaled), seen)

    def _meter(self, reading: Reading) -> None:
        receipt = post_usage(
            self._ctx(),
            self.account.account_id,
            [usage._replace(amount=usage.amount * self.scale) for usage in reading.usages],
        )
        if receipt.opened_top_up:
            for waiting in top_ups.pending_charges(self.session):
                resume_pending(
                    self._ctx(),
                    waiting,
                )
