"""Two schedulers on PostgreSQL share the work: each skips items locked by the other."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Event, get_ident

import pytest
from sqlalchemy import text

from tests.conftest import on_postgres
from tests.contention.test_actions import at_once, in_order
from tests.factories import (
    AMEX,
    CHALLENGED_ONCE,
    DISCOVER,
    MASTERCARD,
    START,
    VISA,
    context,
    micros,
    unsigned,
)
from webapp.actions.notifications.send_emails import send_emails
from webapp.actions.payment_methods.finish_setup import expire_setups
from webapp.actions.payment_methods.revoke_methods import revoke_methods
from webapp.actions.usage.post_usage import post_usage
from webapp.background import scheduler
from webapp.delivery.mailer import OutboxMailer
from webapp.domain.accounts.account import Account
from webapp.domain.usage.record import Usage
from webapp.extensions import db
from webapp.settings import ROOT

PATIENCE = 20.0
"""Seconds. Well under one is usual; the rest is for a busy machine."""

LATENCY = 0.05
"""Seconds that a processor or mail server takes, so that both schedulers overlap."""

TOP_UP = next(job for job in scheduler.JOBS if job.name == "top up")


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "not within PATIENCE"
        time.sleep(0.02)


@pytest.fixture
def calls(world):
    """Return a function that slows the processor down and records the threads of its calls."""
    calls = []

    def take(seconds):
        calls.append(get_ident())
        time.sleep(seconds)

    def slow():
        world.books.latency = LATENCY
        world.services.processors["sandbox"]._sleep = take
        return calls

    return slow


@on_postgres
def test_each_method_is_revoked_once_m13(world, calls):
    for card in world.cards(VISA, MASTERCARD, AMEX, DISCOVER):
        world.remove(card)
    made = calls()
    processors = world.services.processors
    done = at_once(
        world, *[lambda s: revoke_methods(context(s, processors=processors, clock=world.clock))] * 2
    )
    assert sum(done) == len(made) == 4
    assert len(set(made)) == 2, "both threads take part"


@on_postgres
def test_each_setup_is_expired_once_f9(world, calls):
    for _ in range(4):
        world.begin_card(CHALLENGED_ONCE)
    world.clock.advance(minutes=15)
    made = calls()
    at_once(
        world,
        *[lambda s: expire_setups(world.on(s))] * 2,
    )
    assert len(made) == 4
    assert len(set(made)) == 2


class SlowMailer(OutboxMailer):
    delivers = True

    def __init__(self):
        super().__init__(ROOT / "templates", "http://127.0.0.1", unsigned)
        self.sent = []

    def connected(self):
        return nullcontext(self)

    def send(self, letter, recipients, message_id, *, stop_link=""):
        time.sleep(LATENCY)
        self.sent.append((message_id, get_ident()))


@on_postgres
def test_two_senders_share_the_emails_l6(world):
    (visa,) = world.cards(VISA)
    for _ in range(6):
        world.pay(visa, "30.00")
    mailer = SlowMailer()
    done = at_once(world, *[lambda s: send_emails(context(s, clock=world.clock), mailer)] * 2)
    assert sum(done) == len({message_id for message_id, _ in mailer.sent}) == len(mailer.sent) == 6
    assert min(done) >= 2


@on_postgres
def test_a_second_scheduler_does_not_wait_for_the_first_t4(world, session):
    """T4, T8: the first waits for a locked account; the second skips its top-up."""
    world.cards(VISA)
    world.refill()
    world.use("60.00")
    Account.locked(session, world.account_id)
    waiting_locks = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(scheduler.run_job, world.app, TOP_UP)
        wait_until(lambda: session.scalar(waiting_locks))
        assert pool.submit(scheduler.run_job, world.app, TOP_UP).result(PATIENCE) == 0
        assert not first.done()
        session.rollback()
        assert first.result(PATIENCE) == 1
    assert world.charges == [("4242", "100.00")]
    in_order(world)


def test_an_account_under_constant_debits_is_refilled_t4(world):
    """T4: on either database the charge gets the account's lock between debits."""
    world.cards(VISA)
    world.refill()
    world.use("60.00")
    world.session.rollback()
    charged = Event()

    def meter(name):
        with world.app.app_context():
            for number in range(10_000):
                usage = Usage(micros("0.01"), f"{name}-{number}", START)
                post_usage(world.on(db.session()), world.account_id, [usage])
                if charged.is_set():
                    return

    with ThreadPoolExecutor(4) as pool:
        meters = [pool.submit(meter, name) for name in range(3)]
        try:
            started = time.monotonic()
            assert pool.submit(scheduler.run_job, world.app, TOP_UP).result(PATIENCE) == 1
            assert time.monotonic() - started < PATIENCE
        finally:
            charged.set()
        for running in meters:
            running.result(PATIENCE)
    assert world.charges == [("4242", "100.00")]
    in_order(world)
