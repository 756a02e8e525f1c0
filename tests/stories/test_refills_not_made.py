"""Refills that are not made, each with its reason."""

import pytest

from tests.factories import DISCOVER, MASTERCARD, VISA

pytestmark = pytest.mark.story


def test_nothing_is_charged_while_the_primarys_auto_charge_is_off(world):
    """T5: even if another method has it on."""
    visa, _ = world.cards(VISA, MASTERCARD)
    world.refill()
    world.consent(visa, False)
    world.use("60.00")
    world.work()
    world.run()

    assert world.tries == []
    assert world.timeline[-1] == "primary_auto_charge_off"
    assert "Visa •••• 4242" in world.lines[-1].sentence

    world.consent(visa, True)  # T4: the switch causes a check
    world.work()
    assert world.tries == [("4242", "100.00", "paid")]


def test_reordering_checks_the_balance_again(world):
    """T4, M2: with the consenting method first, it is charged."""
    from webapp.actions.payment_methods.reorder_methods import reorder_methods

    visa, mastercard = world.cards(VISA, MASTERCARD)
    world.refill()
    world.consent(visa, False)
    world.use("60.00")
    world.work()
    reorder_methods(world.ctx, world.account_id, [mastercard.id, visa.id], [visa.id, mastercard.id])
    world.work()
    assert world.tries == [("4444", "100.00", "paid")]


def test_a_refill_is_due_only_below_the_threshold(world):
    """T3: at the threshold nothing happens; one millionth below it a refill is charged."""
    world.cards(VISA)
    world.refill()
    world.use("50.00")
    world.work()
    assert world.tries == []
    world.use("0.000001")
    world.work()
    assert world.tries == [("4242", "100.00", "paid")]


def test_expired_cards_are_skipped(world):
    """M9, T6, P4: once the month has ended everywhere."""
    from datetime import UTC, datetime

    world.card(VISA, expiry="11/26", auto_charge=True)
    world.card(MASTERCARD, auto_charge=True)
    world.refill()
    world.clock.at = datetime(2026, 12, 1, 11, 59, 59, tzinfo=UTC)
    assert world.method("4242").is_chargeable(world.clock.now())
    world.clock.at = datetime(2026, 12, 1, 12, 0, 0, tzinfo=UTC)
    world.use("60.00")
    world.work()
    assert world.tries == [("4444", "100.00", "paid")]


def test_a_new_method_is_charged_when_all_others_are_suspended(world):
    """T11, T4: the top-up waits for a chargeable method."""
    world.cards(VISA)
    world.refill()
    world.next_answer("decline", decline_code="do_not_honor")
    world.use("60.00")
    world.work()
    world.use("1.00")
    world.use("1.00")
    assert world.timeline[-1] == "all_suspended"
    assert world.lines[-1].times == 2, "E1: repeats of the same answer are folded"

    world.card(DISCOVER, auto_charge=True)
    world.work()
    assert world.tries[-1] == ("1117", "100.00", "paid")


def test_consent_withdrawn_before_the_attempt_stops_the_charge(world):
    """T14: the final check is under the lock that writes the attempt."""
    visa, _ = world.cards(VISA, MASTERCARD)
    world.refill()
    world.use("60.00")  # the top-up is open but not started
    world.consent(visa, False)
    world.work()
    assert world.tries == []
    assert world.timeline[-1] == "primary_auto_charge_off"


def test_consent_withdrawn_after_the_attempt_lets_it_finish(world):
    """T14: the timeline says so."""
    (visa,) = world.cards(VISA)
    world.refill()
    world.next_answer("timeout_after_charge")
    world.use("60.00")
    world.work()
    world.consent(visa, False)
    assert "withdrawn_after_start" in world.timeline

    world.pass_time(seconds=10)
    assert world.balance == "140.00"


def test_consent_withdrawn_before_the_fallback_stops_it(world):
    """T14: consent is read again for each attempt."""
    from webapp.actions.top_ups.top_up import start_attempt
    from webapp.domain.top_ups.top_up import open_top_up

    _, mastercard = world.cards(VISA, MASTERCARD)
    world.refill()
    world.use("60.00")
    top_up = open_top_up(world.session, world.account_id)
    attempt_id = start_attempt(world.ctx, top_up.id)
    world.consent(mastercard, False)
    world.next_answer("decline", decline_code="do_not_honor")
    from webapp.actions.payments.charge import charge

    charge(world.ctx, attempt_id)
    world.work()
    assert world.tries == [("4242", "100.00", "declined")]


def test_settings_changed_before_the_charge_apply(world):
    """T9, T14: the amount is planned again at the moment of charging."""
    world.cards(VISA)
    world.refill()
    world.use("60.00")
    world.refill(amount="30.00")
    world.work()
    assert world.tries == [("4242", "30.00", "paid")]


def test_a_refill_waits_while_a_manual_payment_is_open(world):
    """T15: the check records "waiting for an outcome"; the outcome causes another check."""
    _, mastercard = world.cards(VISA, MASTERCARD)
    world.refill()
    world.next_answer("timeout_after_charge")
    world.pay(mastercard, "30.00")
    world.use("60.00")
    world.work()
    assert world.tries == [("4444", "30.00", "unknown")]
    assert world.timeline[-1] == "waiting_for_outcome"

    world.pass_time(seconds=10)  # 40 + 30 = 70, no longer below
    world.work()
    assert world.balance == "70.00"
    assert world.tries == [("4444", "30.00", "paid")]


def test_an_account_has_one_open_top_up(world):
    """T8: enforced by the database."""
    from sqlalchemy.exc import IntegrityError

    from webapp.domain.top_ups.top_up import TopUp

    world.cards(VISA)
    world.refill()
    world.use("60.00")
    world.use("1.00")
    world.session.add(TopUp(account_id=world.account_id, cause="test", opened_at=world.clock.now()))
    with pytest.raises(IntegrityError):
        world.session.flush()
    world.session.rollback()


def test_nothing_is_charged_while_refill_is_off(world):
    """T1: refill is off by default."""
    world.cards(VISA)
    world.use("99.00")
    world.work()
    world.run()
    assert world.tries == []
    assert world.timeline == []
