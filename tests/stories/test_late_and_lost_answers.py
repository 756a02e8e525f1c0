"""Late, repeated and missing answers, while people and jobs continue."""

from datetime import timedelta

import pytest
from sqlalchemy import event, select

from tests.factories import MASTERCARD, VISA, micros
from webapp.actions.payment_methods.restore_method import restore_method
from webapp.actions.payments.charge import charge
from webapp.actions.payments.decide_attempt import decide_attempt
from webapp.actions.payments.payment_requests import KEY_USED
from webapp.actions.payments.settle import settle
from webapp.actions.top_ups.top_up import start_attempt, top_up
from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.payments import unmatched_events
from webapp.domain.payments.payment import Attempt, Payment
from webapp.domain.shared.errors import Conflict, Refusal
from webapp.domain.top_ups.top_up import open_top_up
from webapp.extensions import db
from webapp.ports import DeclineClass, Declined, Paid
from webapp.reads.ledger.ledger_check import check_ledger

pytestmark = pytest.mark.story


def test_a_payment_is_settled_after_refill_was_switched_off(covered):
    """L3, T7: the payment stays open, and is paid once the processor was queried."""
    covered.next_answer("timeout_after_charge")
    covered.use("60.00")
    waiting = open_top_up(covered.session, covered.account_id)
    attempt_id = start_attempt(covered.ctx, waiting.id)
    covered.apply(refill_on=False)
    charge(covered.ctx, attempt_id)
    top_up(covered.ctx, waiting.id)
    assert covered.session.get(Payment, covered.attempts[0].payment_id).state == "open"

    covered.pass_time(seconds=10)
    assert covered.session.get(Payment, covered.attempts[0].payment_id).state == "paid"
    assert covered.balance == "140.00"
    assert differences(covered) == ()


def test_a_chain_is_not_continued_hours_later(world):
    """L4, T7: the next method is not charged when the first is finally declined."""
    _, mastercard = world.cards(VISA, MASTERCARD)
    for _ in range(2):
        world.next_answer("timeout_before_charge")
    world.pay_by_chain("100.00")
    world.pay(mastercard, "100.00")
    world.pass_time(minutes=20)
    world.next_answer("decline", decline_code="do_not_honor")
    world.pass_time(hours=2)
    world.pass_time(hours=2)
    assert [last4 for last4, _, state in world.tries if state == "paid"].count("4444") <= 1
    assert "chain_ended" in world.timeline


def test_a_retry_of_a_retry_pays_once(covered):
    """F4: all Retries belong to the first failure."""
    visa = covered.method("4242")
    for _ in range(2):
        covered.next_answer("decline", decline_code="insufficient_funds")
    covered.pay(visa, "50.00")
    covered.retry(covered.attempts[0])
    covered.retry(covered.attempts[1])
    assert covered.charges == [("4242", "50.00")]
    for failed in covered.attempts[:2]:
        with pytest.raises(Conflict, match="already been retried"):
            covered.retry(failed)


def test_consent_withdrawn_after_a_rejection_stops_the_repeat(covered):
    """L8, T14: nothing has been charged, so nothing is; the timeline says so."""
    covered.next_answer("refuse_to_look")
    covered.use("60.00")
    covered.work()
    covered.consent(covered.method("4242"), False)
    covered.pass_time(seconds=10)
    assert covered.charges == []
    assert covered.tries == [("4242", "100.00", "abandoned")]
    assert "abandoned" in covered.timeline
    assert covered.timeline[-1] == "primary_auto_charge_off"


def test_a_rejected_manual_payment_is_not_repeated(covered):
    """L8: the person sees the rejection and can submit again."""
    visa = covered.method("4242")
    covered.next_answer("refuse_to_look")
    assert covered.pay(visa, "50.00").state == "abandoned"
    covered.pass_time(hours=1)
    assert covered.charges == []


def test_a_payment_after_a_decline_is_reported_to_the_operator(covered):
    """L9: nothing is credited automatically, and nothing is dropped."""
    covered.next_answer("decline", decline_code="do_not_honor")
    covered.use("60.00")
    covered.work()
    declined = covered.attempts[0]
    now = covered.clock.now()
    late = Paid("ch_late", declined.amount, "USD", now)
    assert not settle(covered.ctx.at(now), declined.id, late)
    assert covered.balance == "140.00"
    assert "ch_late" in covered.attempts[0].mismatch
    assert covered.attempts[0].needs_operator
    assert covered.timeline[-1] == "evidence_does_not_match"


@pytest.mark.parametrize("state", ["paid", "declined"])
def test_a_second_charge_under_one_key_is_reported_to_the_operator(covered, state):
    """L9: the bank was charged twice for one attempt; until 26 November 2026 that went
    unnoticed.
    """
    if state == "declined":
        covered.next_answer("decline", decline_code="do_not_honor")
    covered.use("60.00")
    covered.work()
    first = covered.attempts[0]
    first_id, now = first.id, covered.clock.now()
    known = Paid(first.processor_reference or "ch_first", first.amount, "USD", now)
    second = Paid("ch_second", first.amount, "USD", now)

    for answer in (known, second, known, second):
        assert not settle(covered.ctx.at(now), first_id, answer)

    assert covered.balance == "140.00"
    (asked,) = unmatched_events.waiting(covered.session)
    assert (asked.reference, asked.amount) == ("ch_second", micros("100.00"))
    lines = [it.sentence for it in covered.lines if "another $100.00" in it.sentence]
    assert len(lines) == 1


def test_a_charge_named_after_the_operators_decision_is_no_second_charge(covered):
    """The processor provides the charge's reference only later."""
    left_to_operator(covered)
    decide(covered, True)
    attempt_id, now = covered.attempts[0].id, covered.clock.now()
    told = Paid("ch_late", covered.attempts[0].amount, "USD", now)

    assert not settle(covered.ctx.at(now), attempt_id, told)

    assert unmatched_events.waiting(covered.session) == []


@pytest.mark.parametrize("paid", [True, False])
def test_an_operators_decision_settles_the_attempt(covered, paid):
    """L10: after 23 hours, with a reason; then the account continues."""
    left_to_operator(covered)
    decide(covered, paid)
    covered.work()
    if paid:
        assert covered.balance == "140.00"
    else:
        assert [state for *_, state in covered.tries] == ["abandoned", "paid"]
    assert not covered.attempts[0].needs_operator


def test_a_decision_and_its_audit_entry_are_one_transaction_p2(covered):
    """P2, L3: no crash leaves a decision without its author."""
    left_to_operator(covered)
    commits = []
    event.listen(db.engine, "commit", commits.append)
    decide(covered, True)
    assert len(commits) == 1
    (entry,) = covered.session.scalars(select(EventRow).where(EventRow.audit == "attempt_decided"))
    assert entry.facts["attempt"] == covered.attempts[0].id


def left_to_operator(world):
    world.next_answer("timeout_before_charge")
    world.use("60.00")
    world.work()
    world.clock.advance(hours=23)
    world.run("reconcile")
    (attempt,) = world.attempts
    assert attempt.needs_operator


def decide(world, paid):
    attempt_id = world.attempts[0].id
    decide_attempt(world.ctx, attempt_id, paid, "Seen in the processor's books")


def test_a_low_balance_within_the_hour_is_emailed_after_it(world):
    """N5: by the sweep, even if nothing else happens and refill is off."""
    (visa,) = world.cards(VISA)
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("30.00")
    world.pay(visa, "30.00")
    world.clock.advance(minutes=10)
    world.use("30.00")
    world.pass_time(minutes=40)
    assert len(world.mails_of("low_balance")) == 1
    world.pass_time(minutes=11)
    assert len(world.mails_of("low_balance")) == 2
    world.pass_time(hours=5)
    assert len(world.mails_of("low_balance")) == 2


def test_a_processor_clock_that_is_ahead_changes_no_suspension(covered):
    """F8: it neither prolongs a suspension nor keeps a later success from ending it."""
    covered.use("60.00")
    waiting = open_top_up(covered.session, covered.account_id)
    now = covered.clock.now()
    attempt_id = start_attempt(covered.ctx, waiting.id)
    ahead = Declined("do_not_honor", DeclineClass.SOFT, now + timedelta(seconds=90))
    settle(covered.ctx.at(now), attempt_id, ahead)
    assert covered.method("4242").suspended_until == now + timedelta(hours=48)
    covered.clock.advance(seconds=60)
    covered.retry(covered.attempts[0])
    assert covered.method("4242").is_chargeable(covered.clock.now())


def test_a_late_decline_does_not_suspend_a_restored_method(covered):
    """F8: the decline is received after a later payment has succeeded."""
    visa = covered.method("4242")
    covered.use("60.00")
    waiting = open_top_up(covered.session, covered.account_id)
    started = covered.clock.now()
    attempt_id = start_attempt(covered.ctx, waiting.id)
    visa = covered.method("4242")
    covered.clock.advance(minutes=1)
    visa.restore(covered.clock.now())
    covered.session.commit()
    late = Declined("do_not_honor", DeclineClass.SOFT, started)
    settle(covered.ctx, attempt_id, late)
    assert covered.method("4242").is_chargeable(covered.clock.now())


def test_restoring_without_paying_does_not_lift_a_hard_decline(covered):
    """F3, T16: only a payment does."""
    covered.next_answer("decline", decline_code="stolen_card")
    covered.use("60.00")
    covered.work()
    with pytest.raises(Refusal, match="make a payment with it"):
        restore_method(covered.ctx, covered.account_id, covered.method("4242").id)
    assert covered.method("4242").is_blocked


def test_a_burst_counts_a_late_outcome(world):
    """T10: by when the refills started, and money that may be taken counts."""
    world.cards(VISA)
    world.refill()
    for turn in range(3):
        if turn == 2:
            world.next_answer("timeout_after_charge")
        world.use("100.00")
        world.work()
        world.clock.advance(seconds=30)
    world.clock.advance(minutes=8)
    world.run("reconcile")
    world.use("100.00")
    world.work()
    assert len(world.charges) == 3
    assert world.timeline[-1] == "paused"


def test_a_replaced_reference_is_revoked(world):
    """M8, M10: adding the card again leaves no old reference chargeable."""
    first = world.card(VISA).processor_reference
    second = world.card(VISA).processor_reference
    assert first != second
    world.run("revoke methods")
    assert world.books.vault.card(first).is_gone
    assert not world.books.vault.card(second).is_gone


def test_a_form_cannot_be_used_for_another_payment(world):
    """L4: going back and changing the choice does not return the old outcome."""
    visa, mastercard = world.cards(VISA, MASTERCARD)
    world.pay(visa, "50.00", key="k" * 32)
    for method, amount in ((visa, "60.00"), (mastercard, "50.00")):
        with pytest.raises(Conflict) as refusal:
            world.pay(method, amount, key="k" * 32)
        assert refusal.value.code == KEY_USED
    assert len(world.charges) == 1


def differences(world):
    return check_ledger(world.session, world.books.paid_charges).differences


def test_an_attempt_is_dated_when_it_gets_the_lock(covered, monkeypatch):
    """T10: an attempt that waited for the lock during a Resume counts after the Resume."""
    covered.use("60.00")
    waiting = open_top_up(covered.session, covered.account_id)
    locked = Account.locked

    def wait_for_the_lock(*of):
        covered.clock.advance(seconds=20)
        return locked(*of)

    monkeypatch.setattr(Account, "locked", wait_for_the_lock)
    attempt_id = start_attempt(covered.ctx, waiting.id)
    assert covered.session.get_one(Attempt, attempt_id).started_at == covered.clock.now()
