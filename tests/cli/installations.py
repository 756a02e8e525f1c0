"""Whole installations for backup and move tests: one with data, and empty ones."""

import shlex
from dataclasses import replace
from datetime import timedelta

from pyotp import TOTP
from sqlalchemy import select

from tests import wires
from tests.conftest import settings_in
from tests.factories import (
    AMEX,
    CHALLENGED_ONCE,
    DISCOVER,
    MASTERCARD,
    PASSWORD,
    VISA,
    MovableClock,
    World,
    micros,
    passkey_of,
    signed_in_cookie,
)
from webapp.actions.accounts.change_state import change_state
from webapp.actions.accounts.erase_account import erase_account
from webapp.actions.api_keys.idempotency import begin_request
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.actions.payments.notebook import DatabaseNotebook
from webapp.actions.usage.change_hold import change_hold
from webapp.actions.usage.reverse_usage import reverse_usage
from webapp.actions.users.operators import create_operator
from webapp.actions.users.portal import create_portal_link
from webapp.actions.users.rate_limit import hit
from webapp.actions.users.second_factor import turn_on
from webapp.app import create_app
from webapp.backup.rows import tables
from webapp.backup.snapshot import view
from webapp.domain.accounts.account import AccountState
from webapp.domain.accounts.erasure import RECEIPT_YEARS
from webapp.domain.accounts.state_change import ClosingBalance, StateChange
from webapp.domain.payments import unmatched_events
from webapp.domain.payments.processor_events import EventPosition
from webapp.domain.usage.hold_request import HoldChange
from webapp.domain.users import rate_limits, second_factor
from webapp.domain.users.portal import PortalChoice
from webapp.domain.users.rate_limits import Count
from webapp.extensions import db, services


class Installation:
    """Another installation on this machine, with its own home and environment."""

    def __init__(self, home, **environ):
        self.home = home
        self.app = create_app(settings_in(home, **environ), clock=MovableClock())

    def wire(self, **changed):
        self.app.extensions["ballast"] = replace(self.app.extensions["ballast"], **changed)

    def flask(self, line):
        with self.app.app_context():
            return self.app.test_cli_runner().invoke(args=shlex.split(line))

    def ask(self, do):
        """Call a function with this installation as the current application."""
        with self.app.app_context():
            return do()

    def close(self):
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()
            services().sandbox.close()


def rows():
    """Return all rows of the current installation's database, by table."""
    db.session.remove()
    with view(db.engine) as connection:
        in_order = {
            table.name: select(table).order_by(*table.primary_key.columns) for table in tables()
        }
        return {name: connection.execute(query).all() for name, query in in_order.items()}


def add_processor_events(world: World):
    """Receive a refund, and record one that matches no payment."""
    paid, now = (
        next(attempt for attempt in world.attempts if attempt.state == "paid"),
        world.clock.now(),
    )
    world.books.reversals.refund(paid.key, micros("40.00"), now)
    world.deliver()
    what = "A refund of a payment that nobody here has asked for"
    unmatched_events.record(
        world.ctx.at(now), "sandbox", "re_stray", what, micros("1.00"), "USD", now
    )
    world.session.add(EventPosition(processor="stripe", caught_up_to=now, listed_to=now))
    world.session.commit()


def add_api_data(world: World):
    world.hold("1.50", "call-held")
    change_hold(world.ctx, world.account_id, "call-held", HoldChange(used=250_000), "report-1")
    world.import_usage("amount,reference\n0.25,line-1\n")
    reverse_usage(world.ctx, world.account_id, "line-1", "credit-1", None, "Wrong number")
    begin_request(world.ctx, world.account_id, "key-1", "POST /")
    DatabaseNotebook("paypal", lambda: db.engine).keep("attempt-1", "order-1")


def add_users(world: World):
    now = world.clock.now()
    world.invite("bo@example.com", "billing")
    secret = second_factor.new_secret()
    code = TOTP(secret).at(world.clock.wall())
    turn_on(world.ctx.at(now), world.created.user_id, secret, code)
    signed_in_cookie(world.session, world.created.user_id, world.clock.wall())
    passkey_of(world.session, world.created.user_id, now)
    staff = {"name": "Sam Ray", "email": "staff@example.com", "password": PASSWORD}
    create_operator(world.ctx.at(now), **staff)
    portal = PortalChoice("billing", "https://portal.example.com/")
    create_portal_link(world.ctx.at(now), world.account_id, portal)
    hit(world.ctx.at(now), "tried", [Count(rate_limits.KEY_FROM, "192.0.2.7")])


def erase_another(world: World):
    """Close another account, and erase its personal data."""
    gone = world.account(name="Gone Ltd").account_id
    ended = StateChange(AccountState.CLOSED, "Contract ended", ClosingBalance.PAYOUT)
    change_state(world.ctx, gone, ended)
    world.run()
    erase_account(world.ctx, gone, world.services.proofs, RECEIPT_YEARS)


def live(world: World):
    """Create data in every table, unfinished in most."""
    erase_another(world)
    world.webhook()
    world.cards(VISA, MASTERCARD)
    world.refill("50.00", "100.00", day_limit="500.00")
    world.next_answer("decline", decline_code="insufficient_funds", last4="4242")
    world.use("60.123456")
    world.work()  # declined, then paid by the next method
    world.retry(world.attempts[0])
    world.remove(world.card(DISCOVER))  # leaves a revocation to do
    world.begin_card(CHALLENGED_ONCE)
    allow_paypal(world.ctx, world.account_id, True)
    asked = world.begin_paypal()
    challenge = asked.address.rpartition("/")[2]
    world.books.challenges.agree(challenge, "ana@example.com", world.clock.now())
    world.finish(asked)
    wires.prove(world, wires.ask(world, "900.00", "EUR"), wires.PNG)
    wires.complete(world, wires.prove(world, wires.ask(world, "1000.00")))
    world.next_answer("timeout_after_charge")
    world.pay(world.card(AMEX), "30.00")  # leaves an unknown outcome
    add_processor_events(world)
    add_api_data(world)
    add_users(world)
    world.account(balance="-3.50", name="Łódź ☎ & Søn")
    world.books.advance_clock(timedelta(hours=1))
    empty = [name for name, found in rows().items() if not found]
    assert not empty, f"tables without rows: {empty}"
