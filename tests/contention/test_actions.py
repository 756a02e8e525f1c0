"""Concurrent actions: each has one effect, and the books agree.

Each thread has its own session on the same database, like web threads and workers.
"""

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import event, func, select

from tests.factories import AMEX, MASTERCARD, START, VISA, context, micros
from webapp.actions.api_keys.revoke_key import revoke_key
from webapp.actions.notifications.send_emails import send_emails
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.actions.payment_methods.set_auto_charge import set_auto_charge
from webapp.actions.payments.apply_reversal import apply_reversal
from webapp.actions.payments.pay import pay_now, retry
from webapp.actions.payments.pay_by_auto_charge import pay_by_auto_charge
from webapp.actions.payments.reconcile import reconcile
from webapp.actions.payments.settle import settle
from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.actions.top_ups.sweep import sweep
from webapp.actions.top_ups.top_up import top_up
from webapp.actions.usage.post_usage import post_usage
from webapp.actions.users.portal import create_portal_link, enter_by_portal
from webapp.domain.notifications.outbox import Notice
from webapp.domain.payments import unmatched_events
from webapp.domain.shared.errors import Refusal, Stale
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.settings import Choice
from webapp.domain.usage.record import Usage, Verdict
from webapp.domain.users.portal import PortalChoice
from webapp.domain.users.sessions import UserSession
from webapp.extensions import db
from webapp.ports import Paid, ReversalKind, ReversalState, Reversed
from webapp.reads.ledger.ledger_check import check_ledger

MANY = 8


def at_once(world, *actions):
    """Start all actions at the same moment and return their results or refusals.

    Any other exception would reach a user, so it fails the test.
    """
    world.session.rollback()
    together = Barrier(len(actions))

    def run(action):
        with world.app.app_context():
            together.wait()
            try:
                return action(db.session())
            except Refusal as refusal:
                return refusal

    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, a) for a in actions]]


def in_order(world):
    """Check that charges match credits, nothing is open, and positions have no gap."""
    taken = sum(micros(amount) for _, amount in world.charges)
    paid = sum(a.amount for a in world.attempts if a.state == "paid")
    assert taken == paid
    assert world.balance, "the property also checks the ledger's sum"
    assert not [a for a in world.attempts if a.is_open]
    assert [m.position for m in world.methods] == list(range(1, len(world.methods) + 1))


@pytest.fixture
def failed(world):
    """An account whose Visa was declined for 100.00, with a balance of 40.00."""
    world.cards(VISA)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    return world


@pytest.mark.parametrize("same_form", [True, False])
def test_retry_pressed_eight_times_charges_once_f4(failed, same_form):
    """F4, L3: in one form, or in eight windows."""
    failed_id = failed.attempts[0].id

    def press(number):
        key = "a" * 32 if same_form else f"{number:032d}"
        return lambda session: retry(failed.on(session), failed.account_id, failed_id, key).id

    results = at_once(failed, *[press(n) for n in range(MANY)])
    payments = {r for r in results if not isinstance(r, Refusal)}
    refusals = {r.code for r in results if isinstance(r, Refusal)}
    assert len(payments) == 1
    assert refusals <= (set() if same_form else {"payment_open", "already_paid"})
    assert failed.charges == [("4242", "100.00")]
    assert failed.balance == "140.00"
    assert failed.mails.count("receipt") == 1
    in_order(failed)


def test_the_same_usage_eight_times_debits_once_l12(world):
    """L12."""
    usages = [Usage(micros("0.50"), f"call-{n}", START) for n in range(10)]

    def post(session):
        return post_usage(world.on(session), world.account_id, usages).verdicts

    results = at_once(world, *[post] * MANY)
    assert results.count((Verdict.POSTED,) * 10) == 1
    assert results.count((Verdict.DUPLICATE,) * 10) == MANY - 1
    assert world.balance == "95.00"


def test_eight_workers_on_one_top_up_charge_once_t8(world):
    """T8, L3, T7: also when the first method is declined and the chain continues."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds", last4="4242")
    world.use("60.00")
    open_id = top_ups.open_top_up(world.session, world.account_id).id

    def work(session):
        top_up(world.on(session), open_id)

    at_once(world, *[work] * MANY)
    assert world.tries == [("4242", "100.00", "declined"), ("4444", "100.00", "paid")]
    assert world.balance == "140.00"
    in_order(world)


def test_eight_debits_open_one_top_up_t8(world):
    """T8, T4: each debit falls below the threshold; together they cause one charge."""
    world.cards(VISA)
    world.refill()

    def use(number):
        usage = Usage(micros("60.00"), f"call-{number}", START)
        return lambda session: post_usage(world.on(session), world.account_id, [usage])

    results = at_once(world, *[use(n) for n in range(MANY)])
    assert {r.verdicts for r in results} == {(Verdict.POSTED,)}
    world.work()
    assert world.tries == [("4242", "100.00", "paid")]
    assert world.balance == "-280.00"
    in_order(world)


def test_add_funds_pressed_eight_times_charges_once_l4(world):
    """L4: by one method, and by the chain."""
    visa_id, _ = (method.id for method in world.cards(VISA, MASTERCARD))
    amount = micros("75.00")

    def instantly(session):
        return pay_now(world.on(session), world.account_id, visa_id, amount, "i" * 32).id

    def by_chain(session):
        return pay_by_auto_charge(world.on(session), world.account_id, amount, "c" * 32).id

    results = at_once(world, *[instantly] * MANY)
    assert len(set(results)) == 1
    results = at_once(world, *[by_chain] * MANY)
    assert len(set(results)) == 1
    assert world.charges == [("4242", "75.00")] * 2
    in_order(world)


def test_concurrent_reorders_and_a_removal_keep_a_valid_list_m5(world):
    """M5, M10: later ones are refused because of a stale list, or succeed."""
    methods = world.cards(VISA, MASTERCARD, AMEX)
    ids = [m.id for m in methods]

    def order(wished):
        return lambda s: reorder_methods(world.on(s), world.account_id, wished, ids) and None

    results = at_once(
        world,
        *[order(ids[::-1])] * 3,
        *[order([ids[1], ids[0], ids[2]])] * 3,
        lambda s: world.remove_by_id(ids[0], s) and None,
    )
    assert all(r is None or isinstance(r, Stale) for r in results)
    assert {m.id for m in world.methods} == set(ids[1:])
    in_order(world)


def test_eight_concurrent_removals_remove_once_m10(world):
    (visa,) = world.cards(VISA)
    visa_id = visa.id
    results = at_once(world, *[lambda s: world.remove_by_id(visa_id, s).id] * MANY)
    assert [r for r in results if not isinstance(r, Refusal)] == [visa_id]
    assert {r.code for r in results if isinstance(r, Refusal)} == {"not_found"}


@pytest.mark.parametrize("withdrawal", ["consent", "removal", "settings"])
def test_a_withdrawal_during_a_top_up_charges_at_most_once_t14(world, withdrawal):
    """T14: it is charged completely or not at all, and the books agree."""
    (visa,) = world.cards(VISA)
    world.refill()
    world.use("60.00")
    visa_id = visa.id
    open_id = top_ups.open_top_up(world.session, world.account_id).id

    def withdraw(session):
        if withdrawal == "consent":
            set_auto_charge(world.on(session), world.account_id, visa_id, False)
        elif withdrawal == "removal":
            world.remove_by_id(visa_id, session)
        else:
            apply_settings(world.on(session), world.account_id, Choice(), 1)

    def work(session):
        top_up(world.on(session), open_id)

    _, _, refused = at_once(world, work, work, withdraw)
    assert refused is None or refused.code == "payment_open"
    assert world.balance in ("40.00", "140.00")
    assert len(world.charges) == (world.balance == "140.00")
    assert top_ups.open_top_up(world.session, world.account_id) is None
    in_order(world)


def test_eight_concurrent_applies_save_one_version_t1(world):
    """T1: one is saved; the others are refused as stale."""
    world.cards(VISA)

    def apply(number):
        choice = Choice(refill_on=True, threshold=micros(50 + number), refill_amount=micros("100"))
        return lambda s: apply_settings(world.on(s), world.account_id, choice, 0).version

    results = at_once(world, *[apply(n) for n in range(MANY)])
    assert [r for r in results if not isinstance(r, Stale)] == [1]


def test_a_settlement_that_arrives_eight_times_credits_once_l3(world):
    """L3: the response, the reconciliation and a webhook all settle the attempt."""
    (visa,) = world.cards(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(visa, "30.00")
    attempt = world.attempts[0]
    paid = Paid("ch_1", attempt.amount, attempt.currency, START)
    attempt_id = attempt.id
    world.clock.advance(seconds=10)

    def arrive(session):
        return settle(
            context(session, now=world.clock.now(), policy=world.policy), attempt_id, paid
        )

    def ask(session):
        return bool(reconcile(world.on(session)))

    results = at_once(world, *[arrive] * MANY, *[ask] * 2)
    assert results.count(True) == 1
    assert world.balance == "130.00"
    assert world.mails.count("receipt") == 1


def test_concurrent_refunds_and_disputes_take_at_most_the_payment_l7(world):
    """L7, L9: of 130.00 reported against a payment of 100.00, only 100.00 is taken."""
    (visa,) = world.cards(VISA)
    world.pay(visa, "100.00")
    key, now = world.attempts[0].key, world.clock.now()
    reversals = [
        Reversed(reference, key, kind, ReversalState.TAKEN, micros(amount), "USD", now)
        for reference, kind, amount in (
            ("re_1", ReversalKind.REFUND, "40.00"),
            ("re_2", ReversalKind.REFUND, "50.00"),
            ("dp_1", ReversalKind.DISPUTE, "40.00"),
        )
    ]

    def applying(reversal):
        return lambda session: apply_reversal(
            context(session, now=now, policy=world.policy), "sandbox", reversal, lambda: None
        )

    at_once(world, *[applying(reversal) for reversal in reversals for _ in range(3)])

    assert world.balance == "100.00"
    assert len(world.entries) == 4
    world.session.rollback()
    (asked,) = unmatched_events.waiting(world.session)
    assert asked.amount == micros("30.00")
    assert check_ledger(world.session, world.books.paid_charges).agrees


def test_eight_concurrent_sweeps_open_one_top_up_t8(world):
    """T8, T4: a second scheduler does no harm."""
    world.cards(VISA)
    world.refill()
    world.session.execute(db.text("UPDATE low_balance_settings SET threshold = 200000000"))
    world.session.commit()
    results = at_once(world, *[lambda s: sweep(world.on(s))] * MANY)
    assert sum(results) >= 1
    world.work()
    assert len(world.tries) == 1
    in_order(world)


def test_eight_concurrent_senders_handle_each_email_once_f11(world):
    """F11, L6: a guarded update claims the email."""
    (visa,) = world.cards(VISA)
    for _ in range(3):
        world.pay(visa, "30.00")
    results = at_once(
        world, *[lambda s: send_emails(context(s, clock=world.clock), world.services.mailer)] * MANY
    )
    assert sum(results) == 3
    assert [n.tries for n in world.session.query(Notice)] == [1, 1, 1]


def test_no_transaction_is_open_during_the_call_l3(world):
    """L3: others can write during the processor's call."""
    (visa,) = world.cards(VISA)
    begun = []
    event.listen(db.engine, "begin", begun.append)
    event.listen(db.engine, "commit", lambda c: begun.remove(c) if c in begun else None)
    event.listen(db.engine, "rollback", lambda c: begun.remove(c) if c in begun else None)
    seen = []
    processor = world.services.processors["sandbox"]
    processor._sleep = lambda seconds: seen.append(len(begun))
    world.books.latency = 0.01
    world.pay(visa, "30.00")
    assert seen == [0]


def test_a_key_that_is_revoked_while_its_link_is_opened_ends_the_session_v8(world):
    """V8: the revocation waits until the session that it is to end is committed."""
    key_id = world.provider_key().id
    choice = PortalChoice("billing", "https://portal.example.com/")
    made = create_portal_link(world.ctx, world.account_id, choice, key_id=key_id)
    ctx = world.ctx

    def revoke():
        with world.app.app_context():
            revoke_key(replace(ctx, session=db.session()), None, key_id)

    world.session.rollback()
    with ThreadPoolExecutor(1) as pool, world.app.app_context():
        session, revocations = db.session(), []

        def revoke_meanwhile(_):
            if not revocations:
                revocations.append(pool.submit(revoke))
                wait(revocations, timeout=1)

        event.listen(session, "before_commit", revoke_meanwhile)
        entered = enter_by_portal(
            replace(ctx, session=session), made.token, device="Firefox", address="203.0.113.7"
        )
        revocations[0].result(timeout=60)
        event.remove(session, "before_commit", revoke_meanwhile)
    assert entered is not None
    assert world.session.scalar(select(func.count()).select_from(UserSession)) == 0
