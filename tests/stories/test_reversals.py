"""L7: refunds, disputes and reversals at the processor are booked in the ledger, each once."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.factories import CHALLENGED_ALWAYS, MASTERCARD, VISA, micros
from webapp.actions.payments.receive_event import Receipt
from webapp.actions.top_ups.resume_automatic import resume_automatic
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payments import unmatched_events
from webapp.domain.payments.payment import Attempt, Payment
from webapp.domain.payments.reversals import Reversal
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.top_ups.top_up import why_not_resumable
from webapp.ports import ReversalState
from webapp.reads.ledger.ledger_check import check_ledger
from webapp.reads.ledger.statement import read_statement
from webapp.reads.payments.payment_list import read_payments


def paid(world, amount="100.00"):
    """Make a manual payment and return the key of its charge."""
    method = world.methods[0] if world.methods else world.card(VISA)
    world.pay(method, amount)
    return world.attempts[-1].key


def check(world):
    books = world.books
    return check_ledger(world.session, books.paid_charges, books.reversals.all).differences


def account(world):
    world.session.rollback()
    return world.session.get_one(Account, world.account_id)


def test_a_refund_is_debited_once_and_names_its_payment(world):
    key = paid(world)
    world.books.reversals.refund(key, micros("40.00"), world.clock.now())

    receipts = world.deliver(times=3)

    assert receipts == [Receipt.DONE, Receipt.KNOWN, Receipt.KNOWN]
    assert world.balance == "160.00"
    assert world.entries == [("payment", "100.00"), ("refund", "-40.00")]
    reversal = world.session.scalar(select(Reversal))
    assert reversal.attempt.key == key
    assert world.session.get(Payment, reversal.debit_id).amount == -micros("40.00")
    assert check(world) == ()


def test_two_refunds_of_a_payment_are_two_debits(world):
    """Each is debited by its own amount, in any order of events."""
    key = paid(world)
    for amount in ("30.00", "70.00"):
        world.books.reversals.refund(key, micros(amount), world.clock.now())
    first, second = world.books.reversals.undelivered(world.clock.now())

    for _, it in (second, first, second):
        world.receive(it.processor, it.body, it.headers)

    assert world.balance == "100.00"
    assert sorted(world.entries[1:]) == [("refund", "-30.00"), ("refund", "-70.00")]


def test_a_refund_is_shown_on_the_screens_and_emailed(world):
    key = paid(world)
    world.books.reversals.refund(key, micros("40.00"), world.clock.now())
    world.deliver()

    now = world.clock.now()
    line = read_statement(world.ctx.at(now), world.account_id).days[0].lines[0]
    row = read_payments(world.ctx.at(now), world.account_id).rows[0]

    description = "Refund of P-000002, Visa •••• 4242"
    assert (line.kind, line.description, line.amount) == ("Refund", description, "−40.00")
    assert (row.kind, row.method, row.amount, row.state) == (
        "Refund",
        description,
        "−$40.00",
        "Refunded",
    )
    assert (
        world.lines[-1].sentence == f"$40.00 was deducted: {description}. The balance is $160.00."
    )
    (mail,) = world.mails_of("taken_back")
    assert mail.facts["balance_after"] == "$160.00"


def test_a_refund_below_the_threshold_starts_no_refill(world):
    """L7: neither at once, nor by the sweep, nor when another payment settles; usage does."""
    world.card(VISA, auto_charge=True)
    world.refill("50.00", "100.00")
    key = paid(world)
    world.use("60.00")
    world.books.reversals.refund(key, micros("100.00"), world.clock.now())
    world.deliver()
    assert world.balance == "40.00"

    world.pass_time(minutes=5)
    world.pass_time(hours=1)

    assert len(world.charges) == 1
    assert world.timeline[-1] == "low_by_a_reversal"
    assert world.timeline.count("low_by_a_reversal") == 1

    world.use("1.00")
    world.work()

    assert [amount for _, amount in world.charges] == ["100.00", "100.00"]


def test_a_refund_can_take_the_balance_below_zero(world):
    key = paid(world, "500.00")
    world.use("550.00")
    world.books.reversals.refund(key, micros("500.00"), world.clock.now())

    world.deliver()

    assert world.balance == "-450.00"


def test_a_refund_below_the_notification_threshold_is_emailed(world):
    """N2: the email moves no money."""
    key = paid(world)
    world.apply(notification_on=True, notification_threshold="150.00")
    world.books.reversals.refund(key, micros("100.00"), world.clock.now())

    world.deliver()

    assert len(world.mails_of("low_balance")) == 1


def test_a_failed_refund_is_credited_back(world):
    key = paid(world)
    reference = world.books.reversals.refund(key, micros("40.00"), world.clock.now())
    world.deliver()
    world.books.reversals.close(reference, ReversalState.RETURNED, world.clock.now())

    world.deliver(times=2)

    assert world.balance == "200.00"
    assert world.entries[1:] == [("refund", "-40.00"), ("refund", "40.00")]
    assert check(world) == ()


def test_a_won_dispute_is_credited_back(world):
    key = paid(world)
    reference = world.books.reversals.dispute(key, world.clock.now())
    world.deliver()
    assert world.balance == "100.00"

    world.books.reversals.close(reference, ReversalState.RETURNED, world.clock.now())
    world.deliver(times=2)

    assert world.balance == "200.00"
    assert LowBalanceSettings.of(world.session, world.account_id).paused_at is None
    assert check(world) == ()


def test_a_lost_dispute_pauses_automatic_payments_until_a_person_resumes(world):
    world.card(VISA, auto_charge=True)
    world.refill("50.00", "100.00")
    key = paid(world)
    reference = world.books.reversals.dispute(key, world.clock.now())
    world.deliver()
    assert LowBalanceSettings.of(world.session, world.account_id).paused_at is None

    world.books.reversals.close(reference, ReversalState.LOST, world.clock.now())
    world.deliver()
    world.use("90.00")
    world.work()

    assert LowBalanceSettings.of(world.session, world.account_id).paused_at is not None
    assert len(world.charges) == 1
    assert "lost dispute" in world.lines[-1].sentence
    assert len(world.mails_of("paused")) == 1
    resume_automatic(world.ctx, world.account_id)
    world.work()

    assert len(world.charges) == 2
    # The loss is reported again, and has no effect any more.
    world.books.reversals.tell("sandbox", f"taken_back {reference}", world.clock.now())
    world.deliver()
    assert LowBalanceSettings.of(world.session, world.account_id).paused_at is None


def test_a_dispute_first_reported_as_lost_counts_once(world):
    key = paid(world)
    reference = world.books.reversals.dispute(key, world.clock.now())
    world.books.reversals.close(reference, ReversalState.LOST, world.clock.now())

    world.deliver()

    assert world.entries[1:] == [("dispute", "-100.00")]
    assert LowBalanceSettings.of(world.session, world.account_id).paused_at is not None


def test_a_dispute_first_reported_as_won_moves_nothing(world):
    key = paid(world)
    reference = world.books.reversals.dispute(key, world.clock.now())
    world.books.reversals.close(reference, ReversalState.RETURNED, world.clock.now())

    world.deliver()

    assert world.balance == "200.00"
    assert check(world) == ()


def test_a_reversal_is_booked_as_its_own_kind(world):
    key = paid(world)
    world.books.reversals.reverse(key, world.clock.now())

    world.deliver()

    assert world.entries[1:] == [("reversal", "-100.00")]


def test_a_refund_settles_its_payment_with_an_unknown_outcome_first(world):
    """Events arrive in any order, so the object is fetched again with what it refers to."""
    card = world.card(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(card)
    key = world.attempts[-1].key
    world.books.reversals.refund(key, micros("100.00"), world.clock.now())

    world.deliver()

    assert world.entries == [("payment", "100.00"), ("refund", "-100.00")]


def test_a_refund_of_an_uncredited_payment_is_reported_to_the_operator(world):
    """L9"""
    card = world.card(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(card)
    attempt = world.attempts[-1]
    attempt_id = attempt.id
    begin_writing(world.session)
    world.session.get_one(Attempt, attempt_id).key = "attempt-of-a-backup"
    world.session.commit()
    key = world.books.paid_charges()[-1][0]
    world.books.reversals.refund(key, micros("100.00"), world.clock.now())

    world.deliver(times=2)

    assert world.entries == []
    stray, refund = unmatched_events.waiting(world.session)
    assert "matches no attempt in Ballast" in stray.what
    assert "matches no payment in Ballast" in refund.what


def test_an_event_with_the_outcome_settles_the_attempt(world):
    """L10: no query is needed."""
    card = world.card(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(card)
    world.books.reversals.tell_of_charge(world.attempts[-1].key, world.clock.now())

    world.deliver(times=2)

    assert world.balance == "200.00"


@pytest.mark.parametrize("harm", ["body", "signature", "letters", "late"])
def test_an_event_with_a_wrong_signature_is_rejected(world, harm):
    key = paid(world)
    world.books.reversals.refund(key, micros("40.00"), world.clock.now())
    ((_, it),) = world.books.reversals.undelivered(world.clock.now())
    body, headers = it.body, dict(it.headers)
    if harm == "body":
        body = body.replace(b"taken_back", b"taken_Back")
    if harm == "signature":
        headers = {"Sandbox-Signature": headers["Sandbox-Signature"].replace("v1=", "v0=")}
    if harm == "letters":
        headers = {"Sandbox-Signature": "t=1\u00b2,v1=\u00e9"}
    if harm == "late":
        world.clock.at += timedelta(minutes=6)

    assert world.receive(it.processor, body, headers) is Receipt.FORGED
    assert world.balance == "200.00"


def test_an_event_of_an_unknown_type_is_accepted_and_ignored(world):
    world.books.reversals.tell("sandbox", "weather is-fine", world.clock.now())

    assert world.deliver(times=2) == [Receipt.DONE, Receipt.KNOWN]


def test_a_crash_before_the_commit_applies_the_event_once_it_is_repeated(world):
    """The event's id is stored in the transaction of its effect."""
    key = paid(world)
    world.books.reversals.refund(key, micros("40.00"), world.clock.now())
    ((_, it),) = world.books.reversals.undelivered(world.clock.now())
    commit = world.session.commit
    world.session.commit = lambda: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        world.receive(it.processor, it.body, it.headers)
    world.session.commit = commit
    world.session.rollback()
    assert world.balance == "200.00"

    assert world.receive(it.processor, it.body, it.headers) is Receipt.DONE
    assert world.balance == "160.00"
    assert len(world.session.scalars(select(LedgerEntry)).all()) == 3


def test_a_refund_does_not_end_an_email_link(world):
    """F10: only a payment that refills the balance ends it."""
    world.card(CHALLENGED_ALWAYS)
    world.pay(world.card(MASTERCARD), "30.00")
    key = world.attempts[-1].key
    world.refill()
    world.use("90.00")
    world.work()
    world.books.reversals.refund(key, micros("10.00"), world.clock.now())
    world.deliver()

    assert world.balance == "30.00"
    declined = world.attempts[-1]
    assert why_not_resumable(world.ctx, declined) == ""
