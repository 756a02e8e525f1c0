"""L7, L9: whatever is told, and in whatever order, no more goes back than was paid.

26 November 2026: a refund and a dispute over the same money were both debited, and so was a refund
that crossed the end of a dispute.
"""

from dataclasses import replace

from sqlalchemy import select

from tests.factories import VISA, micros
from webapp.actions.payments.apply_reversal import apply_reversal
from webapp.actions.payments.close_unmatched_event import close_unmatched_event
from webapp.actions.payments.settle import settle
from webapp.domain.accounts.account import Account
from webapp.domain.payments import unmatched_events
from webapp.domain.payments.payment import Attempt
from webapp.domain.payments.reversals import Reversal
from webapp.domain.shared.money import decimal_text
from webapp.ports import Paid, Reversed, TakenBack, TakenBackState
from webapp.reads.ledger.ledger_check import check_ledger

TAKEN, LOST, RETURNED = TakenBackState.TAKEN, TakenBackState.LOST, TakenBackState.RETURNED


def paid(world, amount="100.00"):
    method = world.methods[0] if world.methods else world.card(VISA)
    world.pay(method, amount)
    return world.attempts[-1].key


def told(world, key, amount, kind=TakenBack.REFUND, state=TAKEN, reference="re_1", currency="USD"):
    return Reversed(reference, key, kind, state, micros(amount), currency, world.clock.now())


def take(world, *happenings):
    for it in happenings:
        world.session.rollback()
        apply_reversal(world.session, "sandbox", it, world.clock.now(), world.policy, lambda: None)


def moved(world):
    """What went and came after the payment."""
    return [amount for kind, amount in world.entries if kind != "payment"]


def asked(world):
    """What lies open before the operator: the reference there, and the amount."""
    world.session.rollback()
    return [
        (it.reference, decimal_text(it.amount)) for it in unmatched_events.waiting(world.session)
    ]


def agrees(world):
    return check_ledger(world.session, world.books.paid_charges).differences == ()


def test_a_refund_and_a_dispute_over_the_same_money(world):
    key = paid(world)
    refund = told(world, key, "40.00")
    dispute = told(world, key, "100.00", TakenBack.DISPUTE, reference="dp_1")

    take(world, refund, dispute, refund, dispute)

    assert moved(world) == ["-40.00", "-60.00"]
    assert world.balance == "100.00"
    assert asked(world) == [("dp_1 (excess)", "40.00")]
    assert "more than was left of P-0000" in unmatched_events.waiting(world.session)[0].what
    line = "$40.00 of it is more than was left of that payment. It was not taken from the balance"
    assert line in world.decisions[-1].sentence
    assert world.timeline.count("evidence_does_not_match") == 1
    assert [it.facts["amount"] for it in world.mails_of("taken_back")] == ["$40.00", "$60.00"]
    assert agrees(world)


def test_where_nothing_is_left_nothing_is_taken(world):
    key = paid(world)
    take(
        world,
        told(world, key, "100.00"),
        told(world, key, "100.00", TakenBack.DISPUTE, LOST, "dp_1"),
        told(world, key, "0.01", TakenBack.REVERSAL, reference="rv_1"),
    )

    assert moved(world) == ["-100.00"]
    assert asked(world) == [("dp_1 (excess)", "100.00"), ("rv_1 (excess)", "0.01")]
    assert world.session.get_one(Account, world.account_id).paused_at is not None
    assert len(world.mails_of("taken_back")) == 1
    assert agrees(world)


def test_many_partial_refunds_end_at_what_was_paid(world):
    key = paid(world)
    refunds = [told(world, key, "30.00", reference=f"re_{number}") for number in range(5)]

    take(world, *refunds, *reversed(refunds))

    assert moved(world) == ["-30.00", "-30.00", "-30.00", "-10.00"]
    assert asked(world) == [("re_3 (excess)", "20.00"), ("re_4 (excess)", "30.00")]
    assert agrees(world)


def test_only_what_was_taken_is_given_back(world):
    key = paid(world)
    dispute = told(world, key, "100.00", TakenBack.DISPUTE, reference="dp_1")

    take(world, told(world, key, "40.00"), dispute, replace(dispute, state=RETURNED))

    assert moved(world) == ["-40.00", "-60.00", "60.00"]
    assert world.balance == "160.00"
    assert asked(world) == []
    assert agrees(world)


def test_a_dispute_that_took_nothing_gives_nothing_back(world):
    key = paid(world)
    dispute = told(world, key, "100.00", TakenBack.DISPUTE, reference="dp_1")

    take(world, told(world, key, "100.00"), dispute, replace(dispute, state=RETURNED))

    assert moved(world) == ["-100.00"]
    assert asked(world) == []
    assert agrees(world)


def test_a_refund_that_crosses_a_won_dispute_is_booked_when_the_money_is_back(world):
    """The dispute is won, then the money refunded; the refund is told first."""
    key, now = paid(world), world.clock.now()
    books = world.books.afterwards
    dispute = books.dispute(key, now)
    world.deliver()
    books.close(dispute, RETURNED, now)
    refund = books.refund(key, micros("100.00"), now)
    (won, refunded) = [it for _, it in books.undelivered(now)]

    world.receive(refunded.processor, refunded.body, refunded.headers)
    assert moved(world) == ["-100.00"]
    assert asked(world) == [(f"{refund} (excess)", "100.00")]
    assert agrees(world)

    world.receive(won.processor, won.body, won.headers)

    assert moved(world) == ["-100.00", "100.00", "-100.00"]
    assert world.balance == "100.00"
    assert asked(world) == []
    assert check_ledger(world.session, world.books.paid_charges, books.all).agrees


def test_what_the_operator_has_decided_is_not_booked_as_well(world):
    key = paid(world)
    dispute = told(world, key, "100.00", TakenBack.DISPUTE, reference="dp_1")
    take(world, dispute, told(world, key, "100.00"))
    (lying,) = unmatched_events.waiting(world.session)
    close_unmatched_event(world.session, lying.id, "Adjusted by hand", world.clock.now())

    take(world, replace(dispute, state=RETURNED), told(world, key, "100.00"))

    assert moved(world) == ["-100.00", "100.00"]
    assert agrees(world)


def test_won_after_lost_and_lost_after_won(world):
    """The first is credited back. The second, as after an appeal, goes before the operator."""
    key = paid(world)
    lost = told(world, key, "100.00", TakenBack.DISPUTE, LOST, "dp_1")
    won = replace(lost, state=RETURNED)

    take(world, lost, won, won, replace(lost, state=TAKEN), lost, lost)

    assert moved(world) == ["-100.00", "100.00"]
    assert asked(world) == [("dp_1 (lost)", "100.00")]
    assert agrees(world)


def test_a_dispute_that_ends_with_another_amount(world):
    """As where the buyer gets a part: 100 are gone here, 60 there."""
    key = paid(world)
    dispute = told(world, key, "100.00", TakenBack.DISPUTE, reference="dp_1")
    less = replace(dispute, state=LOST, amount=micros("60.00"))

    take(world, dispute, less, less)

    assert moved(world) == ["-100.00"]
    assert asked(world) == [("dp_1 (other amount)", "60.00")]
    assert world.session.get_one(Account, world.account_id).paused_at is not None


def test_one_dispute_over_payments_of_two_accounts(world):
    """It was debited from one; its end, told of the other's payment, must not credit that one."""
    key, mine = paid(world), world.account_id
    world.account_id = world.account().account_id
    other_key = paid(world)
    dispute = told(world, key, "100.00", TakenBack.DISPUTE, reference="dp_1")
    of_other = replace(dispute, key=other_key, state=RETURNED)

    take(world, dispute, of_other)

    assert (world.balance, moved(world)) == ("200.00", [])
    assert asked(world) == [("dp_1 (other payment)", "100.00")]

    take(world, replace(dispute, state=RETURNED), of_other)

    assert (world.balance, moved(world)) == ("200.00", [])
    world.account_id = mine
    assert moved(world) == ["-100.00", "100.00"]
    assert agrees(world)


def test_a_reversal_and_the_dispute_that_caused_it_are_debited_once(world):
    """L7: as where PayPal let no dispute be read when the reversal came."""
    key = paid(world)
    reversal = told(world, key, "40.00", TakenBack.REVERSAL, reference="rv_1")
    dispute = told(world, key, "40.00", TakenBack.DISPUTE, LOST, "dp_1")

    take(world, reversal, dispute, dispute, reversal)

    assert moved(world) == ["-40.00"]
    assert asked(world) == [("dp_1 (same money)", "40.00")]
    assert "the reversal rv_1 was debited" in unmatched_events.waiting(world.session)[0].what
    assert world.session.get_one(Account, world.account_id).paused_at is not None
    assert agrees(world)


def test_a_dispute_and_the_reversal_that_it_caused_are_debited_once(world):
    """L7: the other way round; won in the end, the dispute's money is back."""
    key = paid(world)
    dispute = told(world, key, "40.00", TakenBack.DISPUTE, reference="dp_1")
    reversal = told(world, key, "40.00", TakenBack.REVERSAL, reference="rv_1")

    take(world, dispute, reversal, reversal, replace(dispute, state=RETURNED), reversal)

    assert moved(world) == ["-40.00", "40.00"]
    assert asked(world) == [("rv_1 (same money)", "40.00")]
    assert agrees(world)


def test_a_dispute_is_won_whose_reversal_was_debited(world):
    """L9: whether that came back too is the operator's to find out, and not passed over."""
    key = paid(world)
    reversal = told(world, key, "40.00", TakenBack.REVERSAL, reference="rv_1")
    dispute = told(world, key, "40.00", TakenBack.DISPUTE, reference="dp_1")

    take(world, reversal, dispute, replace(dispute, state=RETURNED))

    assert moved(world) == ["-40.00"]
    assert asked(world) == [("dp_1 (same money)", "40.00"), ("dp_1 (came back)", "40.00")]
    assert agrees(world)


def test_what_could_not_be_read_and_was_read_later_waits_for_nobody(world):
    """L9: a dispute that PayPal let nobody read lies before the operator until it can be booked."""
    key, now = paid(world), world.clock.now()
    unmatched_events.record(world.session, "sandbox", "dp_1", "It cannot be read.", 0, "", now, now)
    world.session.commit()

    take(world, told(world, key, "40.00", TakenBack.DISPUTE, reference="dp_1"))

    assert (moved(world), asked(world)) == (["-40.00"], [])


def test_another_currency_books_nothing(world):
    key = paid(world)

    take(world, told(world, key, "40.00", currency="EUR"))

    assert moved(world) == []
    assert asked(world) == [("re_1", "40.00")]


def test_a_refund_before_its_payment_is_settled(world):
    """It lies before the operator; told again after the settlement it is booked, and lies there
    no more: nobody books it by hand as well.
    """
    attempt = unsettled(world)
    refund = told(world, attempt.key, "40.00")
    take(world, refund)
    assert (moved(world), asked(world)) == ([], [("re_1", "40.00")])
    settle_as_paid(world, attempt)

    take(world, refund, refund)

    assert moved(world) == ["-40.00"]
    assert asked(world) == []
    assert agrees(world)


def test_a_refund_that_the_operator_closed_before_its_payment_was_settled(world):
    attempt = unsettled(world)
    refund = told(world, attempt.key, "40.00")
    take(world, refund)
    (lying,) = unmatched_events.waiting(world.session)
    close_unmatched_event(world.session, lying.id, "Adjusted by hand", world.clock.now())
    settle_as_paid(world, attempt)

    take(world, refund)

    assert moved(world) == []
    assert world.session.scalars(select(Reversal)).all() == []
    assert agrees(world)


def unsettled(world):
    card = world.card(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(card)
    return world.attempts[-1]


def settle_as_paid(world, attempt):
    attempt_id = attempt.id
    it = world.session.get_one(Attempt, attempt_id)
    answer = Paid("ch_1", it.amount, it.currency, world.clock.now(), it.method_reference)
    settle(world.session, attempt_id, answer, world.clock.now(), world.policy)
