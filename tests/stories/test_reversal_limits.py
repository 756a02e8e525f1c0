"""L7, L9: no more is debited than was paid, whatever events arrive and in any order.

Until 26 November 2026 a refund and a dispute over the same money were both debited, and so was a
refund that crossed the end of a dispute.
"""

from dataclasses import replace

from sqlalchemy import select

from tests.factories import VISA, micros
from webapp.actions.payments.apply_reversal import apply_reversal
from webapp.actions.payments.close_unmatched_event import close_unmatched_event
from webapp.actions.payments.settle import settle
from webapp.domain.payments import unmatched_events
from webapp.domain.payments.payment import Attempt
from webapp.domain.payments.reversals import Reversal
from webapp.domain.shared.money import decimal_text
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.ports import Paid, ReversalKind, ReversalState, Reversed
from webapp.reads.ledger.ledger_check import check_ledger

TAKEN, LOST, RETURNED = ReversalState.TAKEN, ReversalState.LOST, ReversalState.RETURNED


def paid(world, amount="100.00"):
    method = world.methods[0] if world.methods else world.card(VISA)
    world.pay(method, amount)
    return world.attempts[-1].key


def reversed_money(
    world, key, amount, kind=ReversalKind.REFUND, state=TAKEN, reference="re_1", currency="USD"
):
    return Reversed(reference, key, kind, state, micros(amount), currency, world.clock.now())


def apply_all(world, *happenings):
    for it in happenings:
        world.session.rollback()
        apply_reversal(world.ctx, "sandbox", it, lambda: None)


def moves(world):
    """Return the amounts of the ledger entries other than payments."""
    return [amount for kind, amount in world.entries if kind != "payment"]


def awaiting_operator(world):
    """Return reference and amount of each event that awaits the operator."""
    world.session.rollback()
    return [
        (it.reference, decimal_text(it.amount)) for it in unmatched_events.waiting(world.session)
    ]


def agrees(world):
    return check_ledger(world.session, world.books.paid_charges).differences == ()


def test_a_refund_and_a_dispute_over_the_same_money_are_debited_once(world):
    key = paid(world)
    refund = reversed_money(world, key, "40.00")
    dispute = reversed_money(world, key, "100.00", ReversalKind.DISPUTE, reference="dp_1")

    apply_all(world, refund, dispute, refund, dispute)

    assert moves(world) == ["-40.00", "-60.00"]
    assert world.balance == "100.00"
    assert awaiting_operator(world) == [("dp_1 (excess)", "40.00")]
    assert "exceeds the rest of P-0000" in unmatched_events.waiting(world.session)[0].what
    line = (
        "exceeds the rest of that payment by $40.00. The excess was not deducted from the balance"
    )
    assert line in world.lines[-1].sentence
    assert world.timeline.count("evidence_does_not_match") == 1
    assert [it.facts["amount"] for it in world.mails_of("taken_back")] == ["$40.00", "$60.00"]
    assert agrees(world)


def test_a_fully_refunded_payment_is_not_debited_again(world):
    key = paid(world)
    apply_all(
        world,
        reversed_money(world, key, "100.00"),
        reversed_money(world, key, "100.00", ReversalKind.DISPUTE, LOST, "dp_1"),
        reversed_money(world, key, "0.01", ReversalKind.REVERSAL, reference="rv_1"),
    )

    assert moves(world) == ["-100.00"]
    assert awaiting_operator(world) == [("dp_1 (excess)", "100.00"), ("rv_1 (excess)", "0.01")]
    assert LowBalanceSettings.of(world.session, world.account_id).paused_at is not None
    assert len(world.mails_of("taken_back")) == 1
    assert agrees(world)


def test_partial_refunds_are_debited_up_to_the_payment(world):
    key = paid(world)
    refunds = [reversed_money(world, key, "30.00", reference=f"re_{number}") for number in range(5)]

    apply_all(world, *refunds, *reversed(refunds))

    assert moves(world) == ["-30.00", "-30.00", "-30.00", "-10.00"]
    assert awaiting_operator(world) == [("re_3 (excess)", "20.00"), ("re_4 (excess)", "30.00")]
    assert agrees(world)


def test_a_won_dispute_credits_only_what_it_took(world):
    key = paid(world)
    dispute = reversed_money(world, key, "100.00", ReversalKind.DISPUTE, reference="dp_1")

    apply_all(world, reversed_money(world, key, "40.00"), dispute, replace(dispute, state=RETURNED))

    assert moves(world) == ["-40.00", "-60.00", "60.00"]
    assert world.balance == "160.00"
    assert awaiting_operator(world) == []
    assert agrees(world)


def test_a_won_dispute_that_took_nothing_credits_nothing(world):
    key = paid(world)
    dispute = reversed_money(world, key, "100.00", ReversalKind.DISPUTE, reference="dp_1")

    apply_all(
        world, reversed_money(world, key, "100.00"), dispute, replace(dispute, state=RETURNED)
    )

    assert moves(world) == ["-100.00"]
    assert awaiting_operator(world) == []
    assert agrees(world)


def test_a_refund_reported_before_a_won_dispute_is_booked_after_it(world):
    """The dispute is won before the money is refunded, but the refund is reported first."""
    key, now = paid(world), world.clock.now()
    books = world.books.reversals
    dispute = books.dispute(key, now)
    world.deliver()
    books.close(dispute, RETURNED, now)
    refund = books.refund(key, micros("100.00"), now)
    (won, refunded) = [it for _, it in books.undelivered(now)]

    world.receive(refunded.processor, refunded.body, refunded.headers)
    assert moves(world) == ["-100.00"]
    assert awaiting_operator(world) == [(f"{refund} (excess)", "100.00")]
    assert agrees(world)

    world.receive(won.processor, won.body, won.headers)

    assert moves(world) == ["-100.00", "100.00", "-100.00"]
    assert world.balance == "100.00"
    assert awaiting_operator(world) == []
    assert check_ledger(world.session, world.books.paid_charges, books.all).agrees


def test_an_event_closed_by_the_operator_is_not_booked_as_well(world):
    key = paid(world)
    dispute = reversed_money(world, key, "100.00", ReversalKind.DISPUTE, reference="dp_1")
    apply_all(world, dispute, reversed_money(world, key, "100.00"))
    (waiting,) = unmatched_events.waiting(world.session)
    close_unmatched_event(world.ctx, waiting.id, "Adjusted by hand")

    apply_all(world, replace(dispute, state=RETURNED), reversed_money(world, key, "100.00"))

    assert moves(world) == ["-100.00", "100.00"]
    assert agrees(world)


def test_a_dispute_won_after_it_was_lost_and_lost_after_it_was_won(world):
    """The first is credited back; the second, as after an appeal, goes before the operator."""
    key = paid(world)
    lost = reversed_money(world, key, "100.00", ReversalKind.DISPUTE, LOST, "dp_1")
    won = replace(lost, state=RETURNED)

    apply_all(world, lost, won, won, replace(lost, state=TAKEN), lost, lost)

    assert moves(world) == ["-100.00", "100.00"]
    assert awaiting_operator(world) == [("dp_1 (lost)", "100.00")]
    assert agrees(world)


def test_a_dispute_lost_with_another_amount_is_reported_to_the_operator(world):
    """As if the buyer gets a part: 100 were debited here, 60 there."""
    key = paid(world)
    dispute = reversed_money(world, key, "100.00", ReversalKind.DISPUTE, reference="dp_1")
    less = replace(dispute, state=LOST, amount=micros("60.00"))

    apply_all(world, dispute, less, less)

    assert moves(world) == ["-100.00"]
    assert awaiting_operator(world) == [("dp_1 (other amount)", "60.00")]
    assert LowBalanceSettings.of(world.session, world.account_id).paused_at is not None


def test_a_dispute_over_payments_of_two_accounts_credits_the_right_one(world):
    """It was debited from one; its end, reported for the other payment, must not credit that
    account.
    """
    key, mine = paid(world), world.account_id
    world.account_id = world.account().account_id
    other_key = paid(world)
    dispute = reversed_money(world, key, "100.00", ReversalKind.DISPUTE, reference="dp_1")
    of_other = replace(dispute, key=other_key, state=RETURNED)

    apply_all(world, dispute, of_other)

    assert (world.balance, moves(world)) == ("200.00", [])
    assert awaiting_operator(world) == [("dp_1 (other payment)", "100.00")]

    apply_all(world, replace(dispute, state=RETURNED), of_other)

    assert (world.balance, moves(world)) == ("200.00", [])
    world.account_id = mine
    assert moves(world) == ["-100.00", "100.00"]
    assert agrees(world)


def test_a_dispute_after_its_reversal_is_debited_once(world):
    """L7: as if PayPal did not allow disputes to be read when the reversal arrived."""
    key = paid(world)
    reversal = reversed_money(world, key, "40.00", ReversalKind.REVERSAL, reference="rv_1")
    dispute = reversed_money(world, key, "40.00", ReversalKind.DISPUTE, LOST, "dp_1")

    apply_all(world, reversal, dispute, dispute, reversal)

    assert moves(world) == ["-40.00"]
    assert awaiting_operator(world) == [("dp_1 (same money)", "40.00")]
    assert "the reversal rv_1 was debited" in unmatched_events.waiting(world.session)[0].what
    assert LowBalanceSettings.of(world.session, world.account_id).paused_at is not None
    assert agrees(world)


def test_a_reversal_after_its_dispute_is_debited_once(world):
    """L7: once the dispute is won, its money is credited back."""
    key = paid(world)
    dispute = reversed_money(world, key, "40.00", ReversalKind.DISPUTE, reference="dp_1")
    reversal = reversed_money(world, key, "40.00", ReversalKind.REVERSAL, reference="rv_1")

    apply_all(world, dispute, reversal, reversal, replace(dispute, state=RETURNED), reversal)

    assert moves(world) == ["-40.00", "40.00"]
    assert awaiting_operator(world) == [("rv_1 (same money)", "40.00")]
    assert agrees(world)


def test_a_won_dispute_whose_reversal_was_debited_is_reported_to_the_operator(world):
    """L9: the operator finds out whether the reversal was undone too."""
    key = paid(world)
    reversal = reversed_money(world, key, "40.00", ReversalKind.REVERSAL, reference="rv_1")
    dispute = reversed_money(world, key, "40.00", ReversalKind.DISPUTE, reference="dp_1")

    apply_all(world, reversal, dispute, replace(dispute, state=RETURNED))

    assert moves(world) == ["-40.00"]
    assert awaiting_operator(world) == [
        ("dp_1 (same money)", "40.00"),
        ("dp_1 (came back)", "40.00"),
    ]
    assert agrees(world)


def test_an_unreadable_dispute_that_is_read_later_is_closed(world):
    """L9: it awaits the operator until it can be booked."""
    key, now = paid(world), world.clock.now()
    unmatched_events.record(world.ctx.at(now), "sandbox", "dp_1", "It cannot be read.", 0, "", now)
    world.session.commit()

    apply_all(world, reversed_money(world, key, "40.00", ReversalKind.DISPUTE, reference="dp_1"))

    assert (moves(world), awaiting_operator(world)) == (["-40.00"], [])


def test_a_reversal_in_another_currency_books_nothing(world):
    key = paid(world)

    apply_all(world, reversed_money(world, key, "40.00", currency="EUR"))

    assert moves(world) == []
    assert awaiting_operator(world) == [("re_1", "40.00")]


def test_a_refund_before_its_payment_settles_is_booked_later(world):
    """It awaits the operator; reported again after the settlement it is booked and closed, so no
    operator books it as well.
    """
    attempt = unsettled(world)
    refund = reversed_money(world, attempt.key, "40.00")
    apply_all(world, refund)
    assert (moves(world), awaiting_operator(world)) == ([], [("re_1", "40.00")])
    settle_as_paid(world, attempt)

    apply_all(world, refund, refund)

    assert moves(world) == ["-40.00"]
    assert awaiting_operator(world) == []
    assert agrees(world)


def test_a_refund_closed_by_the_operator_before_its_payment_settled_is_not_booked(world):
    attempt = unsettled(world)
    refund = reversed_money(world, attempt.key, "40.00")
    apply_all(world, refund)
    (waiting,) = unmatched_events.waiting(world.session)
    close_unmatched_event(world.ctx, waiting.id, "Adjusted by hand")
    settle_as_paid(world, attempt)

    apply_all(world, refund)

    assert moves(world) == []
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
    settle(world.ctx, attempt_id, answer)
