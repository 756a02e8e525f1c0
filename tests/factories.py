"""Factories: a real database with its triggers, the sandbox, and a movable clock.

Nothing here is a mock: `World` calls the product's own actions.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import count
from secrets import token_hex

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.actions.accounts.create_account import NewAccount, create_account
from webapp.actions.api_keys.create_key import create_key
from webapp.actions.payment_methods.add_method import Asked, add_card, link_paypal
from webapp.actions.payment_methods.finish_setup import finish_setup
from webapp.actions.payment_methods.remove_method import remove_method
from webapp.actions.payment_methods.set_auto_charge import set_auto_charge
from webapp.actions.payments.challenges import challenge_address, conclude_challenge
from webapp.actions.payments.pay import pay_now, retry
from webapp.actions.payments.pay_by_auto_charge import pay_by_auto_charge
from webapp.actions.payments.receive_event import receive_event
from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.actions.usage.import_usage import import_usage
from webapp.actions.usage.open_hold import open_hold
from webapp.actions.usage.post_usage import post_usage
from webapp.actions.users.invitations import invite
from webapp.actions.users.sessions import start_session
from webapp.actions.webhooks.endpoints import add_endpoint
from webapp.background.scheduler import JOBS
from webapp.clock import Clock
from webapp.currencies import Bounds
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.choice import AccountChoice
from webapp.domain.api_keys.api_key import OF_ACCOUNT, OF_PROVIDER, KeyChoice
from webapp.domain.events.rows import EventRow
from webapp.domain.ledger import LedgerEntry
from webapp.domain.notifications.outbox import Notice
from webapp.domain.payment_methods.payment_method import PaymentMethod, listed
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared import money, signed_links
from webapp.domain.shared.context import SYSTEM, Actor, Context
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.settings import Choice, LowBalanceSettings, RefillMode
from webapp.domain.usage.hold_request import HoldRequest
from webapp.domain.usage.holds import LIFE
from webapp.domain.usage.record import Usage
from webapp.domain.users.owner import OwnerChoice
from webapp.domain.users.passkeys import Passkey
from webapp.domain.users.user import Right, Role
from webapp.domain.webhooks.endpoint import CHOICES, PROVIDER_CHOICES, EndpointChoice
from webapp.processors.sandbox.card_form import token_for
from webapp.reads.records.activity import DecisionRecord
from webapp.reads.records.activity import read_activity as read_timeline

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
PASSWORD = "correct-horse-battery"

VISA = "4242424242424242"
MASTERCARD = "5555555555554444"
AMEX = "378282246310005"
DISCOVER = "6011111111111117"
CHALLENGED_ONCE = "4000002500003155"
CHALLENGED_ALWAYS = "4000002760003184"
CHALLENGED_THEN_DECLINED = "4000008260003178"
DECLINING = "4000000000000341"
"""Can be saved, but every charge is declined."""


class MovableClock(Clock):
    def __init__(self, at: datetime = START) -> None:
        self.at = self.wall_at = at

    def now(self) -> datetime:
        return self.at

    def wall(self) -> datetime:
        return self.wall_at

    def advance(self, **span: float) -> None:
        """Advance the product's clock only, as the sandbox does; sessions use the wall clock."""
        self.at += timedelta(**span)

    def wait(self, **span: float) -> None:
        """Advance both the product's clock and the wall clock."""
        self.advance(**span)
        self.wall_at += timedelta(**span)


def signed_in_cookie(session: Session, user_id: int, wall: datetime, **more: str) -> dict[str, str]:
    """Return the session cookie of a user who signed in at this wall-clock time."""
    given = {"signed_in_with": "password", "device": "Firefox on Linux", "address": "127.0.0.1"}
    token = start_session(context(session), user_id, remember=True, wall=wall, **given | more)
    return {"_user_id": token}


def passkey_of(session: Session, user_id: int, now: datetime) -> int:
    """Store a passkey that no authenticator holds, and return its id."""
    passkey = Passkey(
        user_id=user_id,
        credential_id="none",
        public_key=b"",
        sign_count=0,
        name="Phone",
        created_at=now,
    )
    session.add(passkey)
    session.commit()
    return passkey.id


def micros(text: str | int | None) -> int | None:
    """Convert "50.00" to 50,000,000; negative amounts are allowed."""
    if text is None:
        return None
    text = str(text)
    return -money.parse(text[1:], 6) if text.startswith("-") else money.parse(text, 6)


def resume_token(secret_key: str, attempt_id: int) -> str:
    """Return the token of an email's resume link for this attempt (F7)."""
    return signed_links.sign(secret_key, signed_links.RESUME, attempt_id)


def sum_of(session: Session, account_id: int) -> int:
    """Return the sum of an account's ledger in micros."""
    amounts = select(func.sum(LedgerEntry.amount)).where(LedgerEntry.account_id == account_id)
    return int(session.scalar(amounts) or 0)


def unsigned(purpose: str, value: object) -> str:
    """Stand-in for a link signer, for tests that follow no link."""
    return str(value)


def valid_expiry(now: datetime) -> str:
    """Return an expiry in eight years' time, formatted as a person types it."""
    return f"12/{(now.year + 8) % 100:02}"


def card_form(number: str, expiry: str = "12/34") -> dict[str, str]:
    return {
        "number": number,
        "expiry": expiry,
        "security_code": "1234" if number == AMEX else "123",
        "cardholder": "Ana Ruiz",
        "country": "IE",
        "line": "12 Harbour Road",
        "city": "Dublin",
        "postcode": "D18 A4R6",
    }


def with_bounds(policy: Policy, currency: str = "USD", **amounts: int) -> Policy:
    """Return the policy with these bounds of a currency, which it then offers; in micros."""
    bounds = policy.offered.get(currency) or Bounds.default(currency)
    return replace(policy, offered={**policy.offered, currency: replace(bounds, **amounts)})


def context(session: Session, now: datetime = START, **its: object) -> Context:
    """Return a context for tests that have no `World`."""
    given = {"actor": SYSTEM, "policy": Policy(), "clock": MovableClock(now), "processors": {}}
    return Context(session, now, **given | its)


class World:
    """One account and the actions on it."""

    def __init__(self, app, session: Session, created: NewAccount | None = None) -> None:
        """`created`: an account that the database already contains, as `account()` returns it."""
        self.app = app
        self.session = session
        self.services = app.extensions["ballast"]
        self.clock: MovableClock = self.services.clock
        self.books = self.services.sandbox
        self.policy: Policy = self.services.policy
        self.references = count(1)
        self.owner = Actor(name="Test")
        self.created = created or self.account()
        self.account_id = self.created.account_id
        self.owner = Actor(self.created.user_id, "Ana Ruiz", "127.0.0.1")

    @property
    def ctx(self) -> Context:
        """The owner's context at the clock's present time."""
        its = self.services
        now = self.clock.now()
        return Context(self.session, now, self.owner, self.policy, self.clock, its.processors)

    def on(self, session: Session) -> Context:
        """Return the owner's context in another session."""
        return replace(self.ctx, session=session)

    # Factories

    def account(self, balance="100.00", email=None, name="Harbour Voice", currency=""):
        return create_account(
            self.ctx.by(Actor(name="Test")),
            AccountChoice(name, currency=currency, own_metering=True),
            OwnerChoice(email or f"owner-{token_hex(4)}@example.com", "Ana Ruiz", PASSWORD),
            balance=micros(balance) or 0,
            scopes=OF_ACCOUNT,
        )

    def card(self, number=VISA, *, expiry=None, auto_charge=None, account_id=None, consent=None):
        """Add a card through the capture form and complete the bank's challenge, if any.

        `auto_charge` then sets the consent.
        """
        account_id = account_id or self.account_id
        added = self.begin_card(number, expiry, consent, account_id)
        if isinstance(added, Asked):
            self.bank(added.address)
            added = self.finish(added)
        method = added
        if auto_charge is not None:
            self.consent(method, auto_charge, account_id=account_id)
        return method

    def bank(self, address, how="complete"):
        """Answer the challenge at this address: complete, fail or cancel."""
        challenge = address.rstrip("/").rpartition("/")[2]
        getattr(self.books.challenges, how)(challenge, self.clock.now())

    def begin_card(self, number, expiry=None, consent=None, account_id=None):
        """Submit the card form; the result may be a pending challenge."""
        now = self.clock.now()
        form = card_form(number, expiry or valid_expiry(now))
        return add_card(
            self.ctx,
            account_id or self.account_id,
            token_for(self.books, form, now),
            self.services.processors["sandbox"],
            consent=consent,
        )

    def begin_paypal(self):
        return link_paypal(
            self.ctx, self.account_id, self.services.processors["sandbox_paypal"], return_to="/"
        )

    def finish(self, asked):
        return finish_setup(self.ctx, self.account_id, asked.setup_id)

    def conclude(self, payment, give_up=False):
        """Conclude the challenge, as when the customer returns from the bank."""
        return conclude_challenge(
            self.ctx, self.account_id, payment.attempts[-1].id, give_up=give_up
        )

    def address_of(self, payment):
        return challenge_address(self.ctx, payment)

    def cards(self, *numbers):
        """Add several cards in this order, all with auto-charge on."""
        return [self.card(number, auto_charge=True) for number in numbers]

    def key(self, *scopes, name="Meter", networks=(), lasts=None, account_id=None, rights=None):
        """Create an API key, with all scopes by default."""
        choice = KeyChoice(name, scopes or OF_ACCOUNT, tuple(networks), lasts)
        return create_key(
            self.ctx,
            account_id or self.account_id,
            choice,
            frozenset(Right) if rights is None else rights,
        )

    def provider_key(self, *scopes, name="Switch", networks=(), lasts=None):
        """Create a key of the provider, with all scopes by default."""
        choice = KeyChoice(name, scopes or OF_PROVIDER, tuple(networks), lasts)
        return create_key(self.ctx, None, choice, frozenset(Right))

    def webhook(self, url="https://hooks.example.com/in", events=CHOICES, rights=frozenset(Right)):
        """Create a webhook endpoint; the result contains its secret."""
        choice = EndpointChoice(url, "", tuple(events))
        return add_endpoint(self.with_plain_http(), self.account_id, choice, rights)

    def provider_webhook(self, url="https://switch.example.com/in", events=PROVIDER_CHOICES):
        """Create a webhook endpoint of the provider; the result contains its secret."""
        choice = EndpointChoice(url, "", tuple(events))
        return add_endpoint(self.with_plain_http(), None, choice, frozenset(Right))

    def with_plain_http(self):
        """Return a context that also accepts receivers without TLS, as in the own network."""
        return replace(self.ctx, policy=replace(self.ctx.policy, webhook_networks=("127.0.0.0/8",)))

    def invite(self, email, *roles):
        return invite(
            self.ctx, self.account_id, email, [Role(role) for role in roles or ("billing",)]
        )

    # Actions

    def consent(self, method, on, account_id=None):
        return set_auto_charge(self.ctx, account_id or self.account_id, method.id, on)

    def apply(self, **chosen):
        """Apply settings on top of the current ones; amounts are text."""
        settings = LowBalanceSettings.of(self.session, self.account_id)
        values = {name: getattr(settings, name) for name in Choice.__dataclass_fields__}
        for name, value in chosen.items():
            is_amount = isinstance(value, str) and name != "refill_mode"
            values[name] = micros(value) if is_amount else value
        values["refill_mode"] = RefillMode(values["refill_mode"])
        return apply_settings(self.ctx, self.account_id, Choice(**values), settings.version)

    def refill(self, threshold="50.00", amount="100.00", **more):
        return self.apply(refill_on=True, threshold=threshold, refill_amount=amount, **more)

    def use(self, amount, reference=None):
        usage = Usage(
            micros(amount), reference or f"call-{next(self.references)}", self.clock.now()
        )
        return post_usage(self.ctx, self.account_id, [usage])

    def hold(self, amount, reference, **lasts):
        return open_hold(
            self.ctx,
            self.account_id,
            reference,
            HoldRequest(timedelta(**lasts) if lasts else LIFE, micros(amount)),
        )

    def import_usage(self, text, key=None, name="usage.csv"):
        """Import a file as uploaded by the browser; returns the import's id."""
        content = text.encode() if isinstance(text, str) else text
        return import_usage(
            self.ctx,
            self.account_id,
            BytesIO(content),
            name,
            len(content),
            key or token_hex(16),
            lambda: None,
        )

    def remove(self, method, session=None):
        return self.remove_by_id(method.id, session)

    def remove_by_id(self, method_id, session=None):
        return remove_method(
            replace(self.ctx, session=session or self.session), self.account_id, method_id
        )

    def pay(self, method, amount="100.00", key=None):
        return pay_now(self.ctx, self.account_id, method.id, micros(amount), key or token_hex(16))

    def pay_by_chain(self, amount="100.00", key=None):
        return pay_by_auto_charge(self.ctx, self.account_id, micros(amount), key or token_hex(16))

    def retry(self, attempt, key=None, *, by_link=False):
        return retry(self.ctx, self.account_id, attempt.id, key or token_hex(16), by_link=by_link)

    def run(self, *names):
        """Run these scheduled jobs, or all of them, once."""
        for job in JOBS:
            if not names or job.name in names:
                job.run(self.ctx.by(SYSTEM), self.services)
                self.session.rollback()

    def work(self):
        """Do what the worker does within a second: continue open top-ups and send emails."""
        self.run("top up", "send emails")

    def pass_time(self, **span):
        """Advance the clock and run every job."""
        self.clock.advance(**span)
        self.run()

    def deliver(self, times=1):
        """Deliver the sandbox's events to the product, `times` each; returns the results."""
        receipts = []
        for number, event in self.books.reversals.undelivered(self.clock.now()):
            receipts += [
                self.receive(event.processor, event.body, event.headers) for _ in range(times)
            ]
            self.books.reversals.record_delivery(number, self.clock.now())
        return receipts

    def receive(self, processor, body, headers):
        processor = self.services.processors[processor]
        return receive_event(self.ctx, processor, body, headers)

    def next_answer(self, kind, **fields):
        self.books.queue_answer(kind, **fields)

    def reject_refill(self):
        """Leave a due refill of 100.00, rejected three times in a row, to the operator (L8)."""
        self.cards(VISA)
        self.refill()
        for _ in range(3):
            self.next_answer("refuse_to_look")
        self.use("60.00")
        self.work()
        for seconds in (10, 50):
            self.clock.advance(seconds=seconds)
            self.run("reconcile")

    # Queries

    @property
    def balance(self) -> str:
        self.session.rollback()
        account = self.session.get_one(Account, self.account_id)
        assert account.balance == sum_of(self.session, self.account_id)
        return money.decimal_text(account.balance)

    @property
    def attempts(self) -> list[Attempt]:
        self.session.rollback()
        query = select(Attempt).where(
            Attempt.account_id == self.account_id, Attempt.method_id.is_not(None)
        )
        return list(self.session.scalars(query.order_by(Attempt.id)))

    @property
    def tries(self) -> list[tuple[str, str, str]]:
        """Every attempt as (last four, amount, state)."""
        return [
            (a.method.last4, money.decimal_text(a.amount, 2), str(a.state)) for a in self.attempts
        ]

    @property
    def charges(self) -> list[tuple[str, str]]:
        """Charges paid at the processor, as (last four, amount)."""
        mine = {a.key: a.method.last4 for a in self.attempts}
        return [
            (mine[key], money.decimal_text(amount, 2))
            for key, amount, _ in self.books.paid_charges()
            if key in mine
        ]

    @property
    def mails(self) -> list[str]:
        return [str(n.kind) for n in self.notices]

    @property
    def notices(self) -> list[Notice]:
        self.session.rollback()
        query = select(Notice).where(Notice.account_id == self.account_id)
        return list(self.session.scalars(query.order_by(Notice.id)))

    @property
    def audits(self) -> list[tuple[str, dict]]:
        """The account's audit entries as (action, details)."""
        return [(str(e.audit), e.facts) for e in self.events(EventRow.audit)]

    def events(self, channel) -> list[EventRow]:
        """The account's events that have this channel's code, such as `EventRow.timeline`."""
        self.session.rollback()
        query = select(EventRow).where(EventRow.account_id == self.account_id)
        return list(self.session.scalars(query.where(channel.is_not(None)).order_by(EventRow.id)))

    @property
    def entries(self):
        """The ledger as (kind, amount), without the opening balance."""
        self.session.rollback()
        query = select(LedgerEntry).where(LedgerEntry.account_id == self.account_id)
        rows = self.session.scalars(query.order_by(LedgerEntry.id)).all()
        return [(str(row.kind), money.decimal_text(row.amount, 2)) for row in rows[1:]]

    def mails_of(self, kind) -> list[Notice]:
        return [notice for notice in self.notices if notice.kind == kind]

    @property
    def timeline(self) -> list[str]:
        return [line.code for line in self.lines]

    @property
    def lines(self) -> tuple[DecisionRecord, ...]:
        """The timeline, oldest first."""
        self.session.rollback()
        page = read_timeline(self.ctx, self.account_id, None, 999)
        return page.decisions[::-1]

    @property
    def methods(self) -> list[PaymentMethod]:
        self.session.rollback()
        return listed(self.session, self.account_id)

    def method(self, last4) -> PaymentMethod:
        return next(m for m in self.methods if m.last4 == last4)
